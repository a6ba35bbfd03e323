"""Adaptive class-aware thresholds (DF-ACAT, PL-DC's AAAI-26 version)."""

import torch
from torch import Tensor


def frequency_thresholds(counts: Tensor, *, low: float, high: float) -> Tensor:
    """Where the thresholds start: tau_k = low + (high - low) n_k / sum(n).

    Args:
        counts: ``(N,)``, labelled instances of each class.
        low: T_min, in [0, 1].
        high: T_max, in [0, 1].

    Returns:
        ``(N,)`` float32 in [low, high]: the rarer a class, the easier its labels pass.

    Examples:
        >>> frequency_thresholds(torch.tensor([3, 1]), low=0.4, high=0.8)
        tensor([0.7000, 0.5000])
    """
    counts = counts.float()
    return low + (high - low) * counts / counts.sum().clamp(min=1)


def class_sums(values: Tensor, labels: Tensor, num_classes: int) -> Tensor:
    """Sum of the values of each class.

    Args:
        values: ``(M,)`` float.
        labels: ``(M,)`` int64 in [0, N).
        num_classes: N.

    Returns:
        ``(N,)`` float32.

    Examples:
        >>> class_sums(torch.tensor([0.5, 0.25, 1.0]), torch.tensor([0, 0, 2]), 3)
        tensor([0.7500, 0.0000, 1.0000])
    """
    sums = torch.zeros(num_classes, device=values.device)
    return sums.index_add_(0, labels, values.float())


def move_thresholds(
    thresholds: Tensor, sums: Tensor, counts: Tensor, *, keep_rate: float, low: float, high: float
) -> Tensor:
    """tau_k := keep_rate tau_k + (1 - keep_rate) mean quality of class k, within [low, high].

    Args:
        thresholds: ``(N,)`` float, tau.
        sums: ``(N,)`` float, summed quality of this step's predictions of each class.
        counts: ``(N,)`` float, their number; a class without any keeps its threshold.
        keep_rate: alpha_tau in [0, 1].
        low: T_min.
        high: T_max.

    Returns:
        ``(N,)`` float.

    Examples:
        >>> sums, counts = torch.tensor([1.8, 0.0]), torch.tensor([2.0, 0.0])  # mean 0.9; none
        >>> thresholds = torch.tensor([0.5, 0.5])
        >>> move_thresholds(thresholds, sums, counts, keep_rate=0.75, low=0.4, high=0.8)
        tensor([0.6000, 0.5000])
    """
    moved = keep_rate * thresholds + (1 - keep_rate) * sums / counts.clamp(min=1)
    return torch.where(counts > 0, moved, thresholds).clamp(low, high)
