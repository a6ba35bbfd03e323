"""Labelled and unlabelled images as one data set."""

from mmdet.utils import ConfigType
from mmengine.dataset import ConcatDataset

from mmpldc.registry import DATASETS


@DATASETS.register_module()
class SemiDataset(ConcatDataset):
    """mmengine's ``ConcatDataset`` of two parts that have names.

    A config that inherits another can then change one setting of one part, which a list does not
    allow: ``train_dataloader.dataset.labeled.ann_file=...``.

    Args:
        labeled: config of the labelled part, source 0 of the sampler.
        unlabeled: config of the unlabelled part, source 1; its ``filter_cfg`` must not drop images
            without annotations, and its pipeline must not read any. None: labelled images alone.
        **shared: settings of both parts, such as ``data_root`` or ``metainfo``; a part's own ones
            go first.

    Raises:
        ValueError: if their meta information (the classes) differs.
    """

    def __init__(
        self, *, labeled: ConfigType, unlabeled: ConfigType | None = None, **shared
    ) -> None:
        parts = [labeled] if unlabeled is None else [labeled, unlabeled]
        super().__init__([{**shared, **part} for part in parts])
