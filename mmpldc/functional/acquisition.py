"""What one more labelled image may teach, from a network's predictions (active learning).

The functions measure each prediction. :func:`pool_predictions` makes a number of an image's.
"""

from typing import Literal

import torch
from torch import Tensor

Pooling = Literal['sum', 'mean', 'max']


def score_uncertainty(scores: Tensor) -> Tensor:
    """Uncertainty 4 s (1 - s) of the decision whether a prediction is an object.

    The variance of a coin that shows heads with probability s, scaled to [0, 1].

    Args:
        scores: s, float in [0, 1], any shape.

    Returns:
        Float in [0, 1] of the same shape: 1 at s = 0.5, 0 where the network is certain.

    Examples:
        >>> score_uncertainty(torch.tensor([0.0, 0.5, 0.9, 1.0]))
        tensor([0.0000, 1.0000, 0.3600, 0.0000])
    """
    return 4 * scores * (1 - scores)


def quality_disagreement(class_quality: Tensor, mask_quality: Tensor) -> Tensor:
    """How far class quality and mask quality are apart, |c - (2 m - 1)|.

    2 m - 1 maps the range (0.5, 1] of m (Eq. 4) to that of c.

    Args:
        class_quality: c, float in [0, 1], any shape.
        mask_quality: m, float in [0, 1], same shape.

    Returns:
        Float in [0, 1] of the same shape.

    Examples:
        >>> quality_disagreement(torch.tensor([0.9, 0.25]), torch.tensor([0.95, 1.0]))
        tensor([0.0000, 0.7500])
    """
    return (class_quality - (2 * mask_quality - 1).clamp(min=0)).abs()


def jensen_shannon(first: Tensor, second: Tensor) -> Tensor:
    """Jensen-Shannon divergence of two class distributions, in bits (Lin, 1991).

    Args:
        first: ``(..., N)`` float, rows sum to 1.
        second: broadcasts with ``first``.

    Returns:
        ``(...)`` float32 in [0, 1]: 0 for equal ones, 1 for those without a class in common.

    Examples:
        >>> jensen_shannon(torch.tensor([1.0, 0.0]), torch.tensor([[1.0, 0.0], [0.0, 1.0]]))
        tensor([0., 1.])
    """
    first, second = first.float(), second.float()
    mean = (first + second) / 2
    entropies = [-torch.xlogy(one, one).sum(dim=-1) for one in (mean, first, second)]
    divergence = (entropies[0] - (entropies[1] + entropies[2]) / 2) / torch.log(
        mean.new_tensor(2.0)
    )
    return divergence.clamp(0, 1)


def pixel_uncertainty(mask_logits: Tensor) -> Tensor:
    """Mean uncertainty u (PMUA, Eq. 10) of a mask's pixels, weighted by their probability.

    The weight makes it independent of what lies around the mask, and no threshold cuts the pixels
    off that are just outside of it.

    Args:
        mask_logits: ``(K, h, w)`` float.

    Returns:
        ``(K,)`` float32 in [0, 1]; 0 for a map whose probabilities are all 0.

    Examples:
        >>> pixel_uncertainty(torch.tensor([[[9.0, -9.0]], [[0.0, -9.0]]]).mul(9))
        tensor([0., 1.])
    """
    probability = mask_logits.float().sigmoid().flatten(1)
    uncertainty = 1 - 2 * (probability - 0.5).abs()
    total = probability.sum(dim=1)
    return (uncertainty * probability).sum(dim=1) / total.clamp(min=torch.finfo(total.dtype).tiny)


def view_disagreement(iou: Tensor, divergence: Tensor) -> Tensor:
    """How far predictions of one view lack a counterpart in another one.

    1 - max_j IoU(k, j) (1 - D(k, j)): a counterpart has the same mask and the same classes.

    Args:
        iou: ``(K, J)`` float in [0, 1], of the masks, in one frame.
        divergence: ``(K, J)`` float in [0, 1], of the class distributions.

    Returns:
        ``(K,)`` float in [0, 1]; 1 if the other view has no prediction.

    Examples:
        >>> iou = torch.tensor([[0.9, 0.0], [0.0, 0.5]])
        >>> view_disagreement(iou, torch.tensor([[0.0, 1.0], [1.0, 0.5]]))
        tensor([0.1000, 0.7500])
    """
    agreement = iou * (1 - divergence)
    if not agreement.shape[1]:
        return torch.ones_like(agreement[:, :0].sum(dim=1))
    return 1 - agreement.amax(dim=1)


def expected_errors(scores: Tensor, *, keep_from: float = 0.5) -> Tensor:
    """Probability that keeping or rejecting a prediction by a threshold is wrong.

    A kept one is wrong with probability 1 - s, a rejected one is a missed object with probability
    s. Their sum over an image is the expected number of labels to delete and to add.

    Args:
        scores: s, float in [0, 1], taken for the probability that the prediction is right.
        keep_from: lowest score that is kept.

    Returns:
        Float in [0, 1] of the same shape.

    Examples:
        >>> expected_errors(torch.tensor([0.9, 0.6, 0.3]))
        tensor([0.1000, 0.4000, 0.3000])
    """
    return torch.where(scores >= keep_from, 1 - scores, scores)


def rarity_weights(counts: Tensor) -> Tensor:
    """Weight of each class by how few labelled instances it has, 1 / (1 + n) over its maximum.

    Args:
        counts: ``(N,)``, labelled instances of each class.

    Returns:
        ``(N,)`` float32 in (0, 1]; 1 for the rarest.

    Examples:
        >>> rarity_weights(torch.tensor([9, 1, 3]))
        tensor([0.2000, 1.0000, 0.5000])
    """
    weights = 1 / (1 + counts.float())
    return weights / weights.max()


def pool_predictions(values: Tensor, weights: Tensor, pooling: Pooling) -> Tensor:
    """One number for an image (Brust et al., 2019, compare these three).

    A sum prefers images with many objects, a mean weighted by the scores those whose objects are
    uncertain, a maximum those with one uncertain object.

    Args:
        values: ``(K,)`` float, of the image's predictions.
        weights: ``(K,)`` float of at least 0, of the mean.
        pooling: 'sum', 'mean' or 'max'.

    Returns:
        ``()`` float; 0 without predictions.

    Raises:
        ValueError: if there is no such pooling.

    Examples:
        >>> values, weights = torch.tensor([0.5, 0.1]), torch.tensor([1.0, 3.0])
        >>> [round(pool_predictions(values, weights, how).item(), 3) for how in ('sum', 'mean')]
        [0.6, 0.2]
    """
    if pooling == 'sum':
        return values.sum()
    if pooling == 'max':
        return torch.cat([values, values.new_zeros(1)]).max()
    if pooling == 'mean':
        total = weights.sum()
        return (values * weights).sum() / total.clamp(min=torch.finfo(total.dtype).tiny)
    raise ValueError(f"pooling must be 'sum', 'mean' or 'max', got {pooling!r}")
