"""Count what is labelled of each class: instances, or pixels of label maps."""

import numpy as np
import torch
from mmengine.dataset import BaseDataset, ConcatDataset
from torch import Tensor

from mmpldc.utils.threads import in_threads

from .label_maps import UnusableLabelMap, count_values, read_label_map, renumbering

MOST_READ = 512  # label maps: enough for shares, and some seconds


def labeled_part(dataset: BaseDataset | ConcatDataset) -> BaseDataset:
    """Return the first of concatenated data sets, the labelled one in ``SemiDataset``."""
    return dataset.datasets[0] if isinstance(dataset, ConcatDataset) else dataset


def class_counts(dataset: BaseDataset | ConcatDataset) -> Tensor:
    """Count annotated instances of each class, or labelled pixels where there are label maps.

    Instances are those that the data set keeps; no image is read. Of label maps at most 512 are
    read, spread evenly over the set.

    Args:
        dataset: with ``metainfo['classes']``, and instances in mmdet's form or label maps. Of
            concatenated data sets only the first counts: the labelled part, as in ``SemiDataset``.

    Returns:
        ``(N,)`` int64, without crowds, ignored instances and pixels without label.
    """
    num_classes = len(dataset.metainfo['classes'])
    labeled = labeled_part(dataset)
    if len(labeled) and 'instances' not in labeled.get_data_info(0):
        return _pixels(labeled, num_classes)
    labels = [
        instance['bbox_label']
        for index in range(len(labeled))
        for instance in labeled.get_data_info(index)['instances']
        if not instance['ignore_flag']
    ]
    return torch.bincount(torch.tensor(labels, dtype=torch.int64), minlength=num_classes)


def _pixels(dataset: BaseDataset, num_classes: int) -> Tensor:
    """``(N,)`` int64; a label map that cannot be read counts nothing, training names it."""

    def read(index: int) -> np.ndarray:
        info = dataset.get_data_info(index)
        try:
            values = read_label_map(info['seg_map_path']).values
        except UnusableLabelMap:
            return np.zeros(num_classes, np.int64)
        return count_values(renumbering(info)[values])[:num_classes]

    rows = np.linspace(0, len(dataset) - 1, min(len(dataset), MOST_READ)).astype(int)
    return torch.from_numpy(np.sum(in_threads(read, rows.tolist()), axis=0))
