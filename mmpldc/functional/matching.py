"""Optimal assignment of queries to targets, for all decoder layers and images in one go."""

from collections.abc import Sequence

import numpy as np
import torch
from scipy.optimize import linear_sum_assignment
from torch import Tensor

# Of a pair that must not match: far above any real cost, and small enough for the sum of a match to
# tell real costs apart in double precision.
PROHIBITIVE_COST = 1e9


def hungarian_match(costs: Sequence[Tensor]) -> tuple[Tensor, Tensor, Tensor]:
    """Match queries to targets with least total cost, each (layer, image) on its own.

    A cost that is not finite loses to all that are. So diverged predictions match too, and their
    loss, which is not finite either, comes to where all ranks learn of it; an error here would
    leave the other ranks waiting.

    Args:
        costs: one ``(L, Q, G_i)`` float tensor per image, with L layers, Q queries and G_i targets.

    Returns:
        Image, query and target index, each ``(L, M)`` int64 with M = sum of min(Q, G_i). Targets
        are numbered through the batch, image after image; rows are ordered by image and target.

    Examples:
        >>> one_target = torch.tensor([[[0.9], [0.1], [0.5]]])  # 1 layer, 3 queries
        >>> two_targets = torch.tensor([[[0.2, 0.8], [0.7, 0.3], [0.5, 0.9]]])
        >>> image, query, target = hungarian_match([one_target, two_targets])
        >>> image, query, target
        (tensor([[0, 1, 1]]), tensor([[1, 0, 1]]), tensor([[0, 1, 2]]))
    """
    num_layers, num_queries = costs[0].shape[:2]
    sizes = [cost.shape[2] for cost in costs]
    first_target = np.cumsum([0, *sizes[:-1]])
    # Host sync: scipy solves on the CPU. One transfer for all layers and images.
    joined = torch.cat([cost.detach().float() for cost in costs], dim=2).cpu().numpy()
    joined[~np.isfinite(joined)] = PROHIBITIVE_COST
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
    image, query, target = torch.from_numpy(matches).to(costs[0].device, non_blocking=True)
    return image, query, target
