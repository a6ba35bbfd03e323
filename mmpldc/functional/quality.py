"""Quality of a teacher's predictions: of the class (Eq. 3) and of the mask (Eq. 4)."""

import torch
from torch import Tensor


def foreground_probabilities(cls_logits: Tensor) -> Tensor:
    """Class probabilities without the "no object" column.

    Args:
        cls_logits: ``(..., N + 1)`` float, the last column is "no object".

    Returns:
        ``(..., N)`` float32 in [0, 1]; rows sum to 1 minus the probability of "no object". A row
        with a NaN, or that has no softmax for its infinities, is NaN.

    Note:
        The paper's Eq. 3 sums over the N classes. As in the released code and in Mask2Former's own
        score, the softmax here is over N + 1, so that a query without an object has low quality.

    Examples:
        >>> foreground_probabilities(torch.zeros(1, 4))
        tensor([[0.2500, 0.2500, 0.2500]])
    """
    return cls_logits.float().softmax(dim=-1)[..., :-1]


def class_quality(cls_logits: Tensor) -> tuple[Tensor, Tensor]:
    """Class quality c_k, the largest foreground class probability (Eq. 3).

    Args:
        cls_logits: ``(..., N + 1)`` float, the last column is "no object".

    Returns:
        Quality ``(...)`` float32 in [0, 1], NaN where a logit is, and label ``(...)`` int64 in
        [0, N).

    Examples:
        >>> class_quality(torch.tensor([[1.0, 3.0, 0.0]]))
        (tensor([0.8438]), tensor([1]))
    """
    quality, label = foreground_probabilities(cls_logits).max(dim=-1)
    return quality, label


def mask_quality(mask_logits: Tensor) -> tuple[Tensor, Tensor]:
    """Mask quality m_k, the mean foreground probability of the foreground pixels (Eq. 4).

    Args:
        mask_logits: ``(..., h, w)`` float, per-pixel logits of each query's mask; infinities are
            legal (a mask may be certain).

    Returns:
        Quality ``(...)`` float32, 0 for an empty mask, in (0.5, 1] otherwise, and NaN where a
        logit is; and area ``(...)`` float32, the count of map pixels with a probability above 0.5.

    Examples:
        >>> mask_quality(torch.tensor([[[0.0, 2.0], [-1.0, 2.0]]]))  # two pixels of sigmoid(2)
        (tensor([0.8808]), tensor([2.]))
    """
    logits = mask_logits.float()
    foreground = logits > 0  # sigmoid(q) > 0.5
    area = foreground.sum(dim=(-2, -1), dtype=torch.float32)
    total = (logits.sigmoid() * foreground).sum(dim=(-2, -1))
    return total / area.clamp(min=1), area


def soft_area(mask_logits: Tensor) -> Tensor:
    """Sum of a mask's foreground probabilities, Guided Distillation's size of a mask.

    Args:
        mask_logits: ``(..., h, w)`` float.

    Returns:
        ``(...)`` float32, in pixels of the map; NaN where a logit is.

    Examples:
        >>> soft_area(torch.zeros(1, 2, 4))  # 8 pixels of 0.5
        tensor([4.])
    """
    return mask_logits.float().sigmoid().sum(dim=(-2, -1))


def pairwise_mask_iou(first: Tensor, second: Tensor) -> Tensor:
    """Intersection over union of each pair of masks.

    Args:
        first: ``(K, H, W)`` bool.
        second: ``(G, H, W)`` bool.

    Returns:
        ``(K, G)`` float32 in [0, 1]; 0 where both are empty.

    Examples:
        >>> masks = torch.tensor([[[1, 1, 0, 0]], [[1, 1, 1, 1]], [[0, 0, 0, 1]]]).bool()
        >>> pairwise_mask_iou(masks[:2], masks)
        tensor([[1.0000, 0.5000, 0.0000],
                [0.5000, 1.0000, 0.2500]])
    """
    first, second = first.flatten(1).float(), second.flatten(1).float()
    # fp32 island: an intersection may count more pixels than float16 can.
    with torch.autocast(first.device.type, enabled=False):
        intersection = first @ second.T
    union = first.sum(dim=1)[:, None] + second.sum(dim=1)[None, :] - intersection
    return intersection / union.clamp(min=1)


def mask_iou(first: Tensor, second: Tensor) -> Tensor:
    """Intersection over union of each mask with its counterpart.

    Args:
        first: ``(..., h, w)`` bool.
        second: likewise.

    Returns:
        ``(...)`` float32 in [0, 1]; 0 where both are empty.

    Examples:
        >>> mask_iou(torch.tensor([[True, True, False]]), torch.tensor([[False, True, False]]))
        tensor(0.5000)
    """
    intersection = (first & second).sum(dim=(-2, -1), dtype=torch.float32)
    union = (first | second).sum(dim=(-2, -1), dtype=torch.float32)
    return intersection / union.clamp(min=1)
