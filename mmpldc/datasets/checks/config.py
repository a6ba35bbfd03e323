"""Which data sets a config trains and evaluates on."""

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from mmengine.config import Config
from mmengine.fileio import join_path
from mmengine.utils import is_abs

from ..semi_parts import semi_parts
from .annotations import Contents, Role
from .best import check_best, check_numbers_of_detections
from .findings import Finding
from .loaders import check_loaders


@dataclass(frozen=True)
class DataSet:
    """A COCO-format data set that is to be checked.

    Attributes:
        name: in messages, such as ``'labeled'``.
        role: 'labeled', 'unlabeled', 'weak' (weak labels of unlabelled images), 'val' or 'test'.
        ann_file: path of its annotation file, with ``data_root``.
        img_prefix: folder of its images, with ``data_root``; None if these are not to be checked.
        classes: names that the config asks for; None without a config.
        classes_are_text: whether the config has a text, no tuple of names.
        has_default_classes: whether these are the data set type's own, as the config names none.
        filter_empty_gt: whether images without annotations are left out.
        min_size: images with a smaller side are left out, in pixels.
    """

    name: str
    role: Role
    ann_file: str
    img_prefix: str | None = None
    classes: tuple[str, ...] | None = None
    classes_are_text: bool = False
    has_default_classes: bool = False
    filter_empty_gt: bool = False
    min_size: int = 0


def sets_of(cfg: Config) -> tuple[list[DataSet], list[str]]:
    """The data sets of a config: labelled, unlabelled, validation and test.

    Of training data, ``labeled`` of a ``SemiDataset``, the first part of a ``ConcatDataset`` or
    all else is labelled. Wrappers such as ``RepeatDataset`` are looked through.

    Args:
        cfg: with dataloaders as mmengine has them; each may be missing.

    Returns:
        The sets, and a note for each that cannot be checked. Sets of label maps are left to
        :func:`mmpldc.datasets.checks.label_maps.check_label_maps`.
    """
    sets: list[DataSet] = []
    notes: list[str] = []
    for name, role, dataset in named_datasets(cfg):
        if has_label_maps(dataset):
            continue
        problem = _why_skipped(dataset)
        if problem:
            notes.append(f'{name}: not checked, {problem}')
            continue
        sets.append(_data_set(name, role, dataset))
    return sets, notes


def has_label_maps(dataset: dict) -> bool:
    """Whether a data set is one of mmsegmentation's, by its config."""
    return any(kind.__name__ == 'BaseSegDataset' for kind in dataset_type(dataset).__mro__)


def named_datasets(cfg: Config) -> Iterator[tuple[str, Role, dict]]:
    """Name, role and config of each set."""
    loaders: tuple[tuple[str, Role], ...] = ('train', 'labeled'), ('val', 'val'), ('test', 'test')
    for loader, role in loaders:
        dataset = (cfg.get(f'{loader}_dataloader') or {}).get('dataset')
        if dataset is None:
            continue
        if role != 'labeled':
            yield from ((name, role, part) for name, part in _leaves(dataset, role))
            continue
        for own_role, part in _training_parts(dataset):
            yield from ((name, own_role, leaf) for name, leaf in _leaves(part, own_role))


def _training_parts(dataset: dict) -> list[tuple[Role, dict]]:
    while 'dataset' in dataset:
        dataset = dataset['dataset']
    if 'labeled' in dataset:
        own = ('type', 'labeled', 'unlabeled', 'split', 'weak_labels')
        parts: dict[Any, dict] = semi_parts(
            dataset['labeled'],
            dataset.get('unlabeled'),
            split=dataset.get('split'),
            shared={key: value for key, value in dataset.items() if key not in own},
        )
        if dataset.get('weak_labels') and parts.get('unlabeled'):
            parts['weak'] = parts['unlabeled'] | dict(ann_file=dataset['weak_labels'])
        return [(role, part) for role, part in parts.items() if part]
    if 'datasets' in dataset:
        first, *others = dataset['datasets']
        unlabeled = dict(type=dataset.get('type'), datasets=others)
        return [('labeled', first), ('unlabeled', others[0] if len(others) == 1 else unlabeled)]
    return [('labeled', dataset)]


def _leaves(dataset: dict, name: str) -> Iterator[tuple[str, dict]]:
    """The data sets inside wrappers."""
    if 'dataset' in dataset:
        yield from _leaves(dataset['dataset'], name)
    elif 'datasets' in dataset:
        for index, part in enumerate(dataset['datasets']):
            yield from _leaves(part, f'{name}[{index}]')
    else:
        yield name, dataset


def _why_skipped(dataset: dict) -> str | None:
    import mmpldc._mmdet  # noqa: F401, seconds that only configs need

    from mmdet.datasets import CocoDataset, LVISV05Dataset
    from mmdet.datasets.api_wrappers import COCO

    kind = dataset_type(dataset)
    if (
        not issubclass(kind, CocoDataset)
        or issubclass(kind, LVISV05Dataset)
        or not issubclass(kind.COCOAPI, COCO)
        or kind.parse_data_info is not CocoDataset.parse_data_info
    ):
        return f'{dataset.get("type")} is not known to read COCO-format instances'
    if dataset.get('backend_args') or '://' in dataset.get('ann_file', ''):
        return 'it is not on a local disk'
    return None


def dataset_type(dataset: dict) -> Any:
    """The class of a data set's config; NoneType if it is not known."""
    kind = dataset.get('type')
    if isinstance(kind, str):
        from mmpldc.registry import DATASETS

        kind = DATASETS.get(kind)
    return kind if isinstance(kind, type) else type(None)


def _data_set(name: str, role: Role, dataset: dict) -> DataSet:
    root = dataset.get('data_root') or ''

    def joined(path: str) -> str:
        """As mmengine's BaseDataset does."""
        return join_path(root, path) if root and not is_abs(path) else path

    ann_file = dataset.get('ann_file')
    prefix = (dataset.get('data_prefix') or {}).get('img')
    if role == 'weak':  # the unlabelled set has the images
        prefix = None
    metainfo = dataset.get('metainfo') or {}
    filters = {} if dataset.get('test_mode') else dataset.get('filter_cfg') or {}
    return DataSet(
        name=name,
        role=role,
        ann_file=joined(ann_file) if ann_file else '',
        img_prefix=None if prefix is None else joined(prefix),
        classes=_classes(dataset, metainfo),
        classes_are_text=isinstance(metainfo.get('classes'), str)
        and not os.path.isfile(metainfo['classes']),
        has_default_classes='classes' not in metainfo,
        filter_empty_gt=bool(filters.get('filter_empty_gt', False)),
        min_size=filters.get('min_size', 0),
    )


def _classes(dataset: dict, metainfo: dict) -> tuple[str, ...]:
    """What mmdet takes for the classes; a text that names no file for one of them."""
    given = metainfo.get('classes')
    if isinstance(given, str) and not os.path.isfile(given):
        return (given,)
    return tuple(dataset_type(dataset)._load_metainfo(metainfo)['classes'])


def check_config(
    cfg: Config, sets: list[DataSet], validated: Sequence[Contents] = ()
) -> list[Finding]:
    """Compare the data sets with what else the config says of them.

    Args:
        cfg: the config.
        sets: its sets, see :func:`sets_of`.
        validated: what is in the files of its validation sets, if they were read.

    Returns:
        Findings whose ``file`` is the config.
    """
    findings = []
    file = os.path.basename(cfg.filename) if cfg.filename else 'config'
    for data in sets:
        if not data.ann_file:
            message = 'not set: write the path of the annotation file'
            findings.append(Finding('error', file, f'{data.name}: ann_file', message))
        if data.img_prefix is None and data.role != 'weak':
            message = "not set: write data_prefix=dict(img='FOLDER/')"
            findings.append(Finding('error', file, f'{data.name}: data_prefix.img', message))
    for role in 'val', 'test':
        expected = {
            os.path.realpath(data.ann_file) for data in sets if data.role == role and data.ann_file
        }
        for evaluator in _evaluators(cfg, role):
            ann_file = evaluator.get('ann_file')
            if ann_file and expected and os.path.realpath(ann_file) not in expected:
                message = (
                    f'{ann_file} is not the annotation file of the {role} set: write the same path '
                    'in both'
                )
                findings.append(Finding('error', file, f'{role}_evaluator: ann_file', message))
    has_wrong_classes = False
    for message in dict.fromkeys(filter(None, map(_fault_of_classes, sets))):
        findings.append(Finding('error', file, 'metainfo.classes', message))
        has_wrong_classes = True
    findings += check_loaders(cfg, file)
    findings += check_best(cfg, file, validated)
    findings += check_numbers_of_detections(cfg, file)
    classes = next((data.classes for data in sets if data.role == 'labeled'), None)
    num_classes = cfg.get('model', {}).get('num_classes')
    is_known = num_classes is not None and not has_wrong_classes
    if is_known and classes is not None and num_classes != len(classes):
        message = (
            f'is {num_classes}, but the labelled set has {len(classes)} classes: '
            'write model.num_classes=len(classes)'
        )
        findings.append(Finding('error', file, 'model.num_classes', message))
    return findings


def _fault_of_classes(data: DataSet) -> str | None:
    if data.classes is not None and data.classes_are_text:
        name = data.classes[0]
        return f"is the text '{name}', whose letters would be classes: write ('{name}',)"
    return None if data.classes is None or data.classes else 'is empty: name the classes'


def _evaluators(cfg: Config, role: str) -> list[dict]:
    evaluators = cfg.get(f'{role}_evaluator') or []
    return [evaluators] if isinstance(evaluators, dict) else evaluators
