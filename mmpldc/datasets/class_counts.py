"""Count the annotated instances of each class."""

import torch
from mmengine.dataset import BaseDataset, ConcatDataset
from torch import Tensor


def labeled_part(dataset: BaseDataset | ConcatDataset) -> BaseDataset:
    """Return the first of concatenated data sets, the labelled one in ``SemiDataset``."""
    return dataset.datasets[0] if isinstance(dataset, ConcatDataset) else dataset


def class_counts(dataset: BaseDataset | ConcatDataset) -> Tensor:
    """Count annotated instances of each class, as the data set filters them; reads no image.

    Args:
        dataset: with ``metainfo['classes']`` and instances in mmdet's form. Of concatenated data
            sets only the first counts: the labelled part, as in ``SemiDataset``.

    Returns:
        ``(N,)`` int64, without crowds and ignored instances.
    """
    num_classes = len(dataset.metainfo['classes'])
    labeled = labeled_part(dataset)
    labels = [
        instance['bbox_label']
        for index in range(len(labeled))
        for instance in labeled.get_data_info(index)['instances']
        if not instance['ignore_flag']
    ]
    return torch.bincount(torch.tensor(labels, dtype=torch.int64), minlength=num_classes)
