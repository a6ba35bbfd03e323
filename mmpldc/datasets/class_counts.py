"""How often each class is annotated."""

import torch
from mmengine.dataset import BaseDataset, ConcatDataset
from torch import Tensor


def class_counts(dataset: BaseDataset | ConcatDataset) -> Tensor:
    """Annotated instances of each class, as the data set filters them; no image is read.

    Args:
        dataset: with ``metainfo['classes']`` and instances as mmdet's have them. Of concatenated
            data sets the first one counts: the labelled part, as in ``SemiDataset``.

    Returns:
        ``(N,)`` int64, crowds and ignored instances left out.
    """
    num_classes = len(dataset.metainfo['classes'])
    labeled = dataset.datasets[0] if isinstance(dataset, ConcatDataset) else dataset
    labels = [
        instance['bbox_label']
        for index in range(len(labeled))
        for instance in labeled.get_data_info(index)['instances']
        if not instance['ignore_flag']
    ]
    return torch.bincount(torch.tensor(labels, dtype=torch.int64), minlength=num_classes)
