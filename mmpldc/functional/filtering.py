"""Which of the teacher's predictions become pseudo-labels: candidates and filters (Eq. 5)."""

from collections.abc import Sequence

import torch
from torch import Tensor

from .quality import class_quality, foreground_probabilities


def best_class_per_query(cls_logits: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Candidates: each query with its best class.

    Args:
        cls_logits: ``(B, Q, N + 1)`` float, the last column is "no object".

    Returns:
        Class quality ``(B, Q)`` float32 in [0, 1], label ``(B, Q)`` int64 in [0, N) and query index
        ``(B, Q)`` int64.

    Note:
        The released code takes :func:`topk_query_class_pairs` with k = 100; with class thresholds
        above 0.5 both keep the same labels.

    Examples:
        >>> logits = torch.tensor([[[2.0, 0.0, 0.0], [0.0, 0.0, 3.0]]])  # the second: no object
        >>> quality, label, query = best_class_per_query(logits)
        >>> quality, label, query
        (tensor([[0.7870, 0.0453]]), tensor([[0, 0]]), tensor([[0, 1]]))
    """
    quality, label = class_quality(cls_logits)
    query = torch.arange(label.shape[1], device=label.device).expand_as(label)
    return quality, label, query


def topk_query_class_pairs(cls_logits: Tensor, k: int) -> tuple[Tensor, Tensor, Tensor]:
    """Candidates: the k best (query, class) pairs, so that one query may appear with two classes.

    Mask2Former's inference and the released PL-DC choose so; it differs from
    :func:`best_class_per_query` only where thresholds lie below 0.5.

    Args:
        cls_logits: ``(B, Q, N + 1)`` float, the last column is "no object".
        k: candidates an image; all pairs if there are fewer.

    Returns:
        Class quality, label and query index, each ``(B, min(k, Q * N))``, best first.

    Examples:
        >>> logits = torch.tensor([[[2.0, 0.0, 0.0], [0.0, 0.0, 3.0]]])
        >>> quality, label, query = topk_query_class_pairs(logits, 2)
        >>> quality, label, query
        (tensor([[0.7870, 0.1065]]), tensor([[0, 1]]), tensor([[0, 0]]))
    """
    probabilities = foreground_probabilities(cls_logits)
    num_classes = probabilities.shape[-1]
    pairs = probabilities.flatten(1)
    quality, pair = pairs.topk(min(k, pairs.shape[1]), dim=1)
    return quality, pair % num_classes, pair // num_classes


def dual_threshold_filter(
    class_quality: Tensor,
    mask_quality: Tensor,
    *,
    class_thr: float | Tensor,
    mask_thr: float | Tensor,
) -> Tensor:
    """Decoupled dual-threshold filtering (DDTF, Eq. 5): class and mask must each be good enough.

    Args:
        class_quality: c_k, float in [0, 1], any shape.
        mask_quality: m_k, float in [0, 1], same shape.
        class_thr: c_t, one number, or a tensor that broadcasts (a threshold per candidate).
        mask_thr: m_t, likewise.

    Returns:
        Bool of the same shape, true where the candidate is kept.

    Examples:
        >>> of_class, of_mask = torch.tensor([0.9, 0.9, 0.5]), torch.tensor([0.9, 0.6, 0.9])
        >>> dual_threshold_filter(of_class, of_mask, class_thr=0.7, mask_thr=0.8)
        tensor([ True, False, False])
    """
    return (class_quality >= class_thr) & (mask_quality >= mask_thr)


def coupled_threshold_filter(
    class_quality: Tensor, mask_quality: Tensor, *, score_thr: float | Tensor
) -> Tensor:
    """The filter that DDTF replaces: one threshold on the coupled score s_k = c_k * m_k.

    Args:
        class_quality: c_k, float in [0, 1], any shape.
        mask_quality: m_k, float in [0, 1], same shape.
        score_thr: one number, or a tensor that broadcasts.

    Returns:
        Bool of the same shape, true where the candidate is kept.

    Examples:
        >>> of_class, of_mask = torch.tensor([0.9, 0.9, 0.5]), torch.tensor([0.9, 0.6, 0.9])
        >>> coupled_threshold_filter(of_class, of_mask, score_thr=0.5)
        tensor([ True,  True, False])
    """
    return class_quality * mask_quality >= score_thr


def certain_quality(class_quality: Tensor, mask_quality: Tensor) -> Tensor:
    """Quality s = c (2 m - 1) of a label: its class quality times the certainty of its mask.

    2 m - 1 is the mean of PMUA's 1 - u (Eq. 10) over the mask's pixels, since u = 2 - 2 sigma
    there. It lies in (0, 1] where m lies in (0.5, 1].

    Args:
        class_quality: c, float in [0, 1], any shape.
        mask_quality: m, float in [0, 1], same shape; an empty mask has 0.

    Returns:
        Float in [0, 1] of the same shape, 0 for an empty mask.

    Note:
        Ours, not PL-DC's: the coupled score c m with PMUA's certainty in the place of m, whose
        range is (0.5, 1].

    Examples:
        >>> certain_quality(torch.tensor([0.9, 0.9, 0.9]), torch.tensor([1.0, 0.75, 0.0]))
        tensor([0.9000, 0.4500, 0.0000])
    """
    return class_quality * (2 * mask_quality - 1).clamp(min=0)


def image_of_each(counts: Sequence[int], device: torch.device | str) -> Tensor:
    """Return the image of each label of a batch, ``(sum(counts),)`` int64 on the device.

    Nothing is read back from the device: the host knows the counts.

    Args:
        counts: the labels of each image.
        device: to copy to, without waiting.

    Examples:
        >>> image_of_each([2, 0, 1], 'cpu')
        tensor([0, 0, 2])
    """
    image = torch.repeat_interleave(torch.arange(len(counts)), torch.tensor(counts).long())
    return image.to(device, non_blocking=True)


def best_of_each_image(scores: Tensor, image: Tensor, *, count: int | Tensor) -> Tensor:
    """Find the best labels of each image.

    Args:
        scores: ``(M,)`` float, higher is better; ties go to the lower index.
        image: ``(M,)`` int64, the image of each.
        count: how many of an image at most.

    Returns:
        ``(M,)`` bool.

    Examples:
        >>> scores, image = torch.tensor([0.3, 0.9, 0.5, 0.1]), torch.tensor([0, 0, 0, 1])
        >>> best_of_each_image(scores, image, count=2)
        tensor([False,  True,  True,  True])
    """
    order = scores.argsort(descending=True, stable=True)
    order = order[image[order].argsort(stable=True)]  # by image, the best first
    sorted_image = image[order]
    first = torch.searchsorted(sorted_image, sorted_image)
    rank = torch.empty_like(order)
    rank[order] = torch.arange(len(order), device=order.device) - first
    return rank < count
