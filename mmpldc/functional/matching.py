"""Optimal assignment of queries to targets, for all decoder layers and images in one go."""

from collections.abc import Sequence

import numpy as np
import torch
from scipy.optimize import linear_sum_assignment
from torch import Tensor


def hungarian_match(costs: Sequence[Tensor]) -> tuple[Tensor, Tensor, Tensor]:
    """Match queries to targets with least total cost, each (layer, image) on its own.

    Args:
        costs: one ``(L, Q, G_i)`` float tensor per image, with L layers, Q queries and G_i targets.

    Returns:
        Image, query and target index, each ``(L, M)`` int64 with M = sum of min(Q, G_i). Targets
        are numbered through the batch, image after image; rows are ordered by image and target.

    Raises:
        ValueError: if a cost is NaN or infinite.
    """
    num_layers, num_queries = costs[0].shape[:2]
    sizes = [cost.shape[2] for cost in costs]
    first_target = np.cumsum([0, *sizes[:-1]])
    # Host sync: scipy solves on the CPU. One transfer for all layers and images.
    joined = torch.cat([cost.detach().float() for cost in costs], dim=2).cpu().numpy()
    if not np.isfinite(joined).all():
        raise ValueError(
            'matching costs contain NaN or infinity: the predictions have diverged, or the loss '
            'ran in half precision'
        )
    matches = np.empty((3, num_layers, sum(min(num_queries, size) for size in sizes)), np.int64)
    for layer in range(num_layers):
        column = 0
        for image, (first, size) in enumerate(zip(first_target, sizes, strict=True)):
            query, target = linear_sum_assignment(joined[layer, :, first : first + size])
            order = target.argsort()
            columns = slice(column, column + len(order))
            matches[0, layer, columns] = image
            matches[1, layer, columns] = query[order]
            matches[2, layer, columns] = target[order] + first
            column += len(order)
    return torch.from_numpy(matches).to(costs[0].device, non_blocking=True).unbind(0)
