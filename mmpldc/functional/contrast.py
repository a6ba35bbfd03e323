"""U2PL's contrast: anchors, prototypes, negatives and the InfoNCE loss of each class.

Pixels are rows: ``(N, ...)`` over all images of a batch, at the stride of the features. All classes
are handled at once, and no function waits for the device: what is drawn for a class without any
pixel is marked, not left out.
"""

import torch
import torch.nn.functional as F
from torch import Tensor

from .thresholds import class_sums


def class_ranks(probabilities: Tensor) -> Tensor:
    """O(c), the rank of each class at each pixel, 0 for the most probable.

    Args:
        probabilities: ``(N, C)`` float.

    Returns:
        ``(N, C)`` int64; of equally probable classes the lower one comes first.

    Examples:
        >>> class_ranks(torch.tensor([[0.1, 0.45, 0.3, 0.1, 0.05]])).tolist()
        [[2, 0, 1, 3, 4]]
    """
    order = probabilities.argsort(dim=1, descending=True, stable=True)
    ranks = torch.arange(order.shape[1], device=order.device).expand_as(order)
    return torch.empty_like(order).scatter_(1, order, ranks)


def anchor_pixels(probability: Tensor, labels: Tensor, *, min_probability: float) -> Tensor:
    """The pixels that are anchors of the class of their label.

    Args:
        probability: ``(N,)`` float, the teacher's of that class, see
            :func:`~mmpldc.functional.label_probabilities`.
        labels: ``(N,)`` int64 in [0, C): ground truth or reliable pseudo-labels; 255 for other
            pixels.
        min_probability: delta_p, 0.3 in U2PL; an anchor's must be larger.

    Returns:
        ``(N,)`` bool.

    Examples:
        >>> labels = torch.tensor([0, 1, 255])
        >>> anchor_pixels(torch.tensor([0.7, 0.2, 0.9]), labels, min_probability=0.3).tolist()
        [True, False, False]
    """
    return (labels != 255) & (probability > min_probability)


def labeled_negatives(ranks: Tensor, labels: Tensor, *, low_rank: int) -> Tensor:
    """The classes that a labelled pixel is a negative of: others that the teacher mistakes it for.

    Args:
        ranks: ``(N, C)`` int64, see :func:`class_ranks`.
        labels: ``(N,)`` int64 in [0, C); pixels with anything else (255) are no negatives.
        low_rank: r_l, 3 in U2PL: the class must be among that many.

    Returns:
        ``(N, C)`` bool, True where the pixel is a negative of the class: y != c and
        0 <= O(c) < r_l.

    Note:
        The released code asks in addition that the pixel *has* the class, so that no labelled
        pixel is ever a negative.

    Examples:
        >>> ranks = class_ranks(torch.tensor([[0.5, 0.25, 0.15, 0.07, 0.03]]))
        >>> labeled_negatives(ranks, torch.tensor([3]), low_rank=2).int().tolist()
        [[1, 1, 0, 0, 0]]
    """
    classes = torch.arange(ranks.shape[1], device=ranks.device)
    known = (labels >= 0) & (labels < ranks.shape[1])
    return known[:, None] & (labels[:, None] != classes) & (ranks < low_rank)


def unlabeled_negatives(
    ranks: Tensor, unreliable: Tensor, *, low_rank: int, high_rank: int
) -> Tensor:
    """The classes that an unlabelled pixel is a negative of: unlikely ones, but not the least.

    Args:
        ranks: ``(N, C)`` int64, see :func:`class_ranks`.
        unreliable: ``(N,)`` bool, pixels with an entropy above the threshold.
        low_rank: r_l, 3 in U2PL.
        high_rank: r_h, 20 in U2PL.

    Returns:
        ``(N, C)`` bool, True where the pixel is a negative of the class: r_l <= O(c) < r_h.

    Examples:
        >>> ranks = class_ranks(torch.tensor([[0.5, 0.25, 0.15, 0.07, 0.03]]))
        >>> unlabeled_negatives(ranks, torch.tensor([True]), low_rank=2, high_rank=4).int().tolist()
        [[0, 0, 1, 1, 0]]
    """
    return unreliable[:, None] & (ranks >= low_rank) & (ranks < high_rank)


# ---------------------------------------------------------------- draws


def draw_without_replacement(candidates: Tensor, num: int) -> tuple[Tensor, Tensor]:
    """For each class some random ones of its candidates.

    Args:
        candidates: ``(N, C)`` bool, see :func:`labeled_negatives`.
        num: K, how many at most.

    Returns:
        Pixels ``(C, K)`` int64 in [0, N), and whether each was drawn ``(C, K)`` bool: those of a
        class with fewer candidates are filled up with others that are not.

    Examples:
        >>> pixels, drawn = draw_without_replacement(torch.tensor([[True], [False], [True]]), 4)
        >>> sorted(pixels[drawn].tolist()), drawn.sum().item()
        ([0, 2], 2)
    """
    priority = torch.rand(candidates.shape[::-1], device=candidates.device)
    priority = priority.masked_fill(~candidates.T, -1.0)
    num_pixels = min(num, len(candidates))
    priority, pixels = priority.topk(num_pixels, dim=1)
    missing = (0, num - num_pixels)
    return F.pad(pixels, missing), F.pad(priority, missing, value=-1.0) >= 0


def draw_with_replacement(
    chosen: Tensor, labels: Tensor, num: int, num_classes: int
) -> tuple[Tensor, Tensor]:
    """For each class some random ones of its pixels, each perhaps several times.

    Args:
        chosen: ``(N,)`` bool, the pixels to draw from, see :func:`anchor_pixels`.
        labels: ``(N,)`` int64, in [0, C) where chosen.
        num: M, how many.
        num_classes: C.

    Returns:
        Pixels ``(C, M)`` int64 in [0, N), and the classes that have any ``(C,)`` bool; the row of
        a class without any is arbitrary.

    Examples:
        >>> labels = torch.tensor([1, 1, 255, 0])
        >>> pixels, present = draw_with_replacement(labels < 255, labels, 5, 3)
        >>> pixels[0].tolist(), present.tolist()
        ([3, 3, 3, 3, 3], [True, True, False])
    """
    keys = labels.where(chosen, num_classes)
    by_class = keys.argsort(stable=True)
    counts = torch.zeros(num_classes + 1, dtype=torch.int64, device=labels.device)
    counts = counts.index_add_(0, keys, torch.ones_like(keys))[:-1]
    first = counts.cumsum(0) - counts
    place = torch.rand(num_classes, num, device=labels.device) * counts[:, None]
    place = torch.minimum(place.long(), (counts[:, None] - 1).clamp(min=0))
    place = (first[:, None] + place).clamp(max=max(len(labels) - 1, 0))
    return by_class[place], counts > 0


# ---------------------------------------------------------------- loss


def prototype_sums(
    features: Tensor, labels: Tensor, chosen: Tensor, num_classes: int
) -> tuple[Tensor, Tensor]:
    """Sums and counts from which the prototypes, means of each class's features, are made.

    Both can be added up over ranks first.

    Args:
        features: ``(N, D)`` float, of the teacher.
        labels: ``(N,)`` int64, in [0, C) where chosen.
        chosen: ``(N,)`` bool, the pixels that count.
        num_classes: C.

    Returns:
        Sums ``(C, D)`` float32 and counts ``(C,)`` float32.

    Examples:
        >>> features = torch.tensor([[1.0, 0.0], [3.0, 2.0], [9.0, 9.0]])
        >>> labels, chosen = torch.tensor([1, 1, 1]), torch.tensor([True, True, False])
        >>> sums, counts = prototype_sums(features, labels, chosen, 2)
        >>> (sums / counts[:, None].clamp(min=1)).tolist()
        [[0.0, 0.0], [2.0, 1.0]]
    """
    keys = labels.where(chosen, num_classes)
    sums = torch.zeros(num_classes + 1, features.shape[1], device=features.device)
    sums.index_add_(0, keys, features.float())
    counts = class_sums(torch.ones_like(keys), keys, num_classes + 1)
    return sums[:-1], counts[:-1]


def info_nce(
    anchors: Tensor, positives: Tensor, negatives: Tensor, *, temperature: float
) -> Tensor:
    """InfoNCE loss of each anchor, by cosines.

    Args:
        anchors: ``(..., M, D)`` float, of the student.
        positives: ``(..., D)`` float, the prototype of each group of M anchors.
        negatives: ``(..., M, K, D)`` float32 of length 1, of each anchor: most of the memory, so
            they are not copied.
        temperature: tau, 0.5 in U2PL.

    Returns:
        ``(..., M)`` float32; log(1 + K) where positive and negatives are alike.

    Examples:
        >>> anchors, positives = torch.tensor([[3.0, 4.0]]), torch.tensor([1.0, 1.0])
        >>> negatives = torch.tensor([[[0.0, -1.0], [0.5**0.5, -(0.5**0.5)]]])
        >>> [round(x, 5) for x in info_nce(anchors, positives, negatives, temperature=0.5).tolist()]
        [0.12394]
    """
    anchors, positives = (F.normalize(one.float(), dim=-1) for one in (anchors, positives))
    positive = anchors @ positives[..., None]
    negative = (negatives @ anchors[..., None]).squeeze(-1)
    logits = torch.cat([positive, negative], dim=-1) / temperature
    return logits.logsumexp(dim=-1) - logits[..., 0]


def mean_over_classes(losses: Tensor, counted: Tensor, present: Tensor) -> Tensor:
    """L_c: the anchors' losses, averaged over anchors and over the classes of the batch.

    Args:
        losses: ``(C, M)`` float, see :func:`info_nce`.
        counted: ``(C,)`` bool, classes with anchors, a prototype and negatives.
        present: ``(C,)`` bool, classes with labelled or reliable pixels: what is divided by. Those
            not counted add 0.

    Returns:
        Scalar; 0 if no class is present.

    Note:
        All has the index of its class. The released code lists anchors and prototypes of all
        classes and reads them by the position among those present, so that most classes meet the
        bank of another one, and the last ones none.

    Examples:
        >>> losses = torch.tensor([[0.2, 0.4], [9.0, 9.0], [9.0, 9.0]])
        >>> counted, present = torch.tensor([True, False, False]), torch.tensor([True, True, False])
        >>> round(mean_over_classes(losses, counted, present).item(), 4)
        0.15
    """
    of_classes = losses.mean(dim=1).where(counted, 0.0)
    return of_classes.sum() / present.sum().clamp(min=1)
