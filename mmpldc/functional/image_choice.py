"""Which images of a pool to label: scores put together, and images that differ."""

from collections.abc import Sequence

import torch
from torch import Tensor


def percentile_ranks(values: Tensor) -> Tensor:
    """Rank of each value among all, from 0 for the lowest to 1 for the highest.

    Args:
        values: ``(..., I)`` float, ranked along the last dimension.

    Returns:
        ``(..., I)`` float32 in [0, 1]. Equal values share the mean of their ranks; a single one
        has 0.5.

    Examples:
        >>> percentile_ranks(torch.tensor([7.0, -1.0, 3.0, 3.0, 100.0]))
        tensor([0.7500, 0.0000, 0.3750, 0.3750, 1.0000])
    """
    ordered = values.sort(dim=-1).values.contiguous()
    below = torch.searchsorted(ordered, values.contiguous())
    up_to = torch.searchsorted(ordered, values.contiguous(), right=True)
    mean = (below + up_to - 1).float() / 2
    last = values.shape[-1] - 1
    return mean / last if last > 0 else torch.full_like(mean, 0.5)


def combine_scores(values: Tensor, weights: Sequence[float]) -> Tensor:
    """Weighted mean of the percentile ranks of several criteria, which have different units.

    A single criterion orders images as its values do.

    Args:
        values: ``(I, S)`` float, higher is more worth labelling.
        weights: of the S criteria; a negative one reverses a criterion.

    Returns:
        ``(I,)`` float32.

    Raises:
        ValueError: if there is no weight other than 0.

    Examples:
        >>> combine_scores(torch.tensor([[1.0, 900.0], [2.0, 100.0], [3.0, 500.0]]), [1.0, 1.0])
        tensor([0.5000, 0.2500, 0.7500])
    """
    total = sum(map(abs, weights))
    if not total:
        raise ValueError('all criteria have weight 0: no image is preferred')
    ranks = percentile_ranks(values.T)
    return (ranks * ranks.new_tensor(list(weights))[:, None]).sum(dim=0) / total


def k_centre_greedy(features: Tensor, count: int, centres: Tensor | None = None) -> Tensor:
    """Choose points one after the other, each the farthest from all that are chosen.

    The greedy solution of the k-centre problem: the largest distance of a point to its nearest
    centre is at most twice the optimum (Gonzalez, 1985). As a choice of images to label it is the
    core-set of Sener and Savarese (2018).

    Args:
        features: ``(I, C)`` float, of the points to choose from.
        count: how many, at most I.
        centres: ``(L, C)`` float, points that are centres already, such as the labelled images'.
            None, or none of them: the first point is chosen first.

    Returns:
        ``(count,)`` int64 indices in the order of choice; of equally far points the first.

    Raises:
        ValueError: if there are fewer points.

    Examples:
        >>> points = torch.tensor([[0.0], [1.0], [9.0], [10.0], [4.0]])
        >>> k_centre_greedy(points, 3)
        tensor([0, 3, 4])
    """
    if not 0 <= count <= len(features):
        raise ValueError(f'cannot choose {count} of {len(features)} images')
    chosen = torch.zeros(count, dtype=torch.long, device=features.device)
    nearest = features.new_full((len(features),), torch.inf)
    if centres is not None and len(centres):
        nearest = torch.cdist(features, centres).amin(dim=1)
    for place in range(count):  # each choice depends on those before
        best = nearest.argmax()
        chosen[place] = best
        nearest = torch.minimum(nearest, torch.cdist(features, features[best][None])[:, 0])
        nearest[best] = -1  # never again, even among points that are all alike
    return chosen
