"""A threshold that keeps a share of the objects that are expected, by a decaying histogram."""

import torch
from torch import Tensor

LARGEST = 10.0  # of -log(1 - s): scores from 1 - 4.5e-5 on are in one bin


def score_edges(bins: int) -> Tensor:
    """Lower edges of the bins of a score in [0, 1], finer towards 1.

    They are evenly spaced in -log(1 - s), because a confident network's scores crowd below 1.

    Args:
        bins: their number.

    Returns:
        ``(bins,)`` float32, from 0 on.

    Examples:
        >>> score_edges(4)
        tensor([0.0000, 0.9179, 0.9933, 0.9994])
    """
    return -torch.expm1(-torch.linspace(0, LARGEST, bins + 1, dtype=torch.float64)[:-1]).float()


def score_histogram(scores: Tensor, edges: Tensor, counts: Tensor | None = None) -> Tensor:
    """Count scores in bins.

    Args:
        scores: ``(M,)`` float in [0, 1].
        edges: ``(bins,)`` float, lower edges, ascending from 0.
        counts: ``(M,)`` bool, which of them count; None: all.

    Returns:
        ``(bins,)`` float32.

    Examples:
        >>> score_histogram(torch.tensor([0.1, 0.5, 1.0]), torch.tensor([0.0, 0.5]))
        tensor([1., 2.])
    """
    bins = torch.searchsorted(edges, scores.contiguous(), right=True) - 1
    weight = torch.ones_like(scores) if counts is None else counts
    histogram = torch.zeros(len(edges), device=scores.device)
    return histogram.index_add_(0, bins.clamp(min=0), weight.float())


def count_threshold(histogram: Tensor, edges: Tensor, *, count: Tensor, floor: float) -> Tensor:
    """Lowest edge above which there are at most as many scores as wanted.

    Args:
        histogram: ``(bins,)`` float, scores in each bin.
        edges: ``(bins,)`` float, lower edges, ascending.
        count: ``()`` float, how many scores are wanted.
        floor: the result is no lower, however few scores there are.

    Returns:
        ``()`` float. The last edge if its bin alone has more than wanted.

    Examples:
        >>> edges = torch.tensor([0.0, 0.25, 0.5, 0.75])
        >>> histogram = torch.tensor([9.0, 3.0, 2.0, 1.0])
        >>> count_threshold(histogram, edges, count=torch.tensor(3.5), floor=0.1)
        tensor(0.5000)
    """
    from_here_on = histogram.flip(0).cumsum(0).flip(0)
    fits = from_here_on <= count
    fits[-1] = True
    # descending counts: the first that fits is the lowest edge
    return edges.gather(0, fits.long().argmax(dim=0, keepdim=True)).squeeze(0).clamp(min=floor)
