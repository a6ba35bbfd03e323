"""A second opinion on pseudo-masks: when it is believed, and how it enters the teacher's mask."""

import torch
from torch import Tensor

SMALLEST = 1e-6  # of a probability: its logit is finite


def accept_masks(
    proposed: Tensor,
    own: Tensor,
    image: Tensor,
    *,
    min_iou: float,
    area_ratio: tuple[float, float],
    max_taken: float,
) -> Tensor:
    """Decide which proposed masks may take the place of the teacher's.

    A proposal must agree with the teacher's mask, keep its size, and leave other labels alone: a
    mask that grows over another label's mask merges two objects.

    Args:
        proposed: ``(K, h, w)`` bool, a mask for each label.
        own: ``(K, h, w)`` bool, the teacher's, in the same frame.
        image: ``(K,)`` int64, the image of each label.
        min_iou: lowest IoU of both masks.
        area_ratio: lowest and highest area, as a share of the teacher's.
        max_taken: largest share of another label's mask that the proposal may cover and the
            teacher's does not.

    Returns:
        ``(K,)`` bool; false where either mask is empty.

    Note:
        An IoU of at least t keeps the ratio of the areas in [t, 1 / t] by itself.

    Examples:
        >>> own = torch.tensor([[[1, 1, 0, 0]], [[0, 0, 1, 1]], [[0, 0, 1, 1]]]).bool()
        >>> proposed = torch.tensor([[[1, 1, 1, 0]], [[0, 0, 1, 1]], [[0, 1, 1, 1]]]).bool()
        >>> bounds = dict(min_iou=0.6, area_ratio=(0.5, 2.0), max_taken=0.25)
        >>> accept_masks(proposed, own, torch.tensor([0, 0, 1]), **bounds)  # the first takes half
        tensor([False,  True,  True])
    """
    proposed, own = proposed.flatten(1).float(), own.flatten(1).float()
    # fp32 island: counts of pixels.
    with torch.autocast(own.device.type, enabled=False):
        overlap = (proposed * own).sum(dim=1)
        area, own_area = proposed.sum(dim=1), own.sum(dim=1)
        taken = (proposed @ own.T - own @ own.T) / own_area.clamp(min=1)  # (K, K)
    iou = overlap / (area + own_area - overlap).clamp(min=1)
    ratio = area / own_area.clamp(min=1)
    other = image[:, None] == image
    other.fill_diagonal_(False)
    merges = ((taken > max_taken) & other).any(dim=1)
    lowest, highest = area_ratio
    return (iou >= min_iou) & (ratio >= lowest) & (ratio <= highest) & (overlap > 0) & ~merges


def fuse_masks(mask_logits: Tensor, proposed: Tensor, weight: float) -> Tensor:
    """Logits of w p_proposed + (1 - w) p_teacher, pixel by pixel.

    What Eq. 8 does for classes. Where both disagree the probability comes close to 0.5, and PMUA
    (Eq. 10) leaves the pixel out.

    Args:
        mask_logits: ``(K, h, w)`` float, the teacher's.
        proposed: ``(K, h, w)`` float in [0, 1].
        weight: w in [0, 1]; 1 replaces the mask.

    Returns:
        ``(K, h, w)`` float32, finite.

    Examples:
        >>> logits = torch.tensor([[[4.0, 4.0, -4.0]]])  # probabilities 0.98, 0.98, 0.02
        >>> fuse_masks(logits, torch.tensor([[[1.0, 0.0, 0.0]]]), 0.5).sigmoid()
        tensor([[[0.9910, 0.4910, 0.0090]]])
    """
    fused = weight * proposed.float() + (1 - weight) * mask_logits.float().sigmoid()
    return fused.clamp(SMALLEST, 1 - SMALLEST).logit()
