"""Removing pseudo-labels that describe the same object twice."""

import torch
from torch import Tensor

from .quality import pairwise_mask_iou


def suppress_duplicates(
    masks: Tensor, scores: Tensor, *, iou_thr: float, image: Tensor | None = None
) -> Tensor:
    """Drop each mask that overlaps a better one (class-agnostic, as in YOLACT's Fast NMS).

    Fast NMS lets a suppressed mask suppress others, which needs no sequential loop.

    Args:
        masks: ``(K, h, w)`` bool.
        scores: ``(K,)`` float, higher is better; ties go to the lower index.
        iou_thr: masks with a larger IoU than this are duplicates.
        image: ``(K,)`` int64, the image of each mask; only masks of the same image are compared.
            None: all are of one.

    Returns:
        ``(K,)`` bool, true for the masks to keep.

    Examples:
        >>> masks = torch.tensor([[[1, 1, 0, 0]], [[1, 1, 1, 0]], [[0, 0, 0, 1]]]).bool()
        >>> suppress_duplicates(masks, torch.tensor([0.8, 0.9, 0.7]), iou_thr=0.5)
        tensor([False,  True,  True])
    """
    order = scores.argsort(descending=True, stable=True)
    iou = pairwise_mask_iou(masks[order], masks[order])
    duplicates = iou.triu(diagonal=1) > iou_thr
    if image is not None:
        duplicates &= image[order][:, None] == image[order]
    overlaps_better = duplicates.any(dim=0)
    keep = scores.new_empty(scores.shape, dtype=torch.bool)
    keep[order] = ~overlaps_better
    return keep
