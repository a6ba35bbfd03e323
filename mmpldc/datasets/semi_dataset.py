"""Labelled and unlabelled images as one data set."""

from typing import Any

from mmdet.utils import ConfigType
from mmengine.dataset import BaseDataset, ConcatDataset

from mmpldc.registry import DATASETS
from mmpldc.utils.garbage import without_garbage_collection
from mmpldc.utils.randomness import seeded

from .checks.findings import printable
from .input_faults import OnFault, guard_pipelines
from .samplers import SeededIndex
from .semi_parts import in_root, semi_parts
from .weak_labels import (
    WeakLabelsError,
    attach_weak_labels,
    read_weak_labels,
    with_weak_pipeline,
)


@DATASETS.register_module()
class SemiDataset(ConcatDataset):
    """mmengine's ``ConcatDataset`` of two named parts.

    An inheriting config can then change one setting of one part, which a list does not allow:
    ``train_dataloader.dataset.labeled.data_root=...``. The share of labels is one setting of both:
    ``train_dataloader.dataset.split=annotations/semi_supervised/instances_train2017.1@5``.

    The random augmentation of a :class:`~mmpldc.datasets.samplers.SeededIndex` follows from its
    position alone, in any process.

    If an image cannot be used, the log names it and another one is drawn
    (:mod:`mmpldc.datasets.input_faults`).

    Args:
        labeled: config of the labelled part, source 0 of the sampler.
        unlabeled: config of the unlabelled part, source 1; its ``filter_cfg`` must not drop images
            without annotations, and its pipeline must not read any. None: labelled images alone.
        split: path below ``data_root`` of a split that ``tools/dataset/split.py`` wrote, without
            extension, or with ``.txt`` for lists of names; the parts then have no ``ann_file``
            (:func:`.semi_parts.semi_parts`).
        weak_labels: COCO-format file with scores, below ``data_root``, of labels that images of the
            unlabelled part carry (:class:`mmpldc.models.WeakLabels`); its pipeline then loads them
            where it has mmdet's ``LoadEmptyAnnotations``. None: they carry none.
        on_fault: 'skip' as above, 'raise' stops at the first such image.
        **shared: settings of both parts, such as ``data_root`` or ``metainfo``; a part's own
            settings take precedence.

    Raises:
        ValueError: if their meta information (the classes) differs, an annotation file cannot be
            read, both ``split`` and a part name one, or weak labels cannot be used.
    """

    def __init__(
        self,
        *,
        labeled: ConfigType,
        unlabeled: ConfigType | None = None,
        split: str | None = None,
        weak_labels: str | None = None,
        on_fault: OnFault = 'skip',
        **shared: Any,
    ) -> None:
        parts = semi_parts(labeled, unlabeled, split=split, shared=shared)
        super().__init__(
            [
                _build(part, weak_labels if name == 'unlabeled' else None)
                for name, part in parts.items()
            ]
        )
        guard_pipelines(self, on_fault=on_fault)

    def __getitem__(self, index: int) -> dict:
        if not isinstance(index, SeededIndex):
            return super().__getitem__(index)
        with seeded(*index.position):
            return super().__getitem__(int(index))


def _build(part: dict, weak_labels: str | None = None) -> BaseDataset:
    """Build a part; errors from its annotations name the file."""
    if weak_labels is not None:
        part = part | dict(pipeline=with_weak_pipeline(part['pipeline']))
    dataset = DATASETS.build(dict(part, lazy_init=True))
    if weak_labels is not None:
        _carry(dataset, in_root(weak_labels, part.get('data_root')))
    try:
        with without_garbage_collection():
            dataset.full_init()
    except WeakLabelsError:
        raise
    except Exception as error:
        cause = printable(f'{dataset.ann_file} cannot be read ({type(error).__name__}: {error})')
        raise ValueError(f'{cause}: tools/dataset/check.py says what is wrong with it') from error
    return dataset


def _carry(dataset: BaseDataset, path: str) -> None:
    """Let the images of a data set that is not yet initialised carry weak labels."""
    load = dataset.load_data_list

    def load_data_list() -> list[dict]:
        weak = read_weak_labels(path, dataset.metainfo['classes'])
        prefix = dataset.data_prefix.get('img') or ''
        return attach_weak_labels(load(), weak, path=path, img_prefix=prefix)

    dataset.load_data_list = load_data_list
