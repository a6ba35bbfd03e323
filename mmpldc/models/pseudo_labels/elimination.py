"""Drop masks that are too small, duplicates, and labels beyond an image's most."""

from typing import NamedTuple

import torch
from mmengine.structures import InstanceData
from torch import Tensor

from mmpldc.functional import best_of_each_image, suppress_duplicates

from .selection import Thresholds


class Elimination(NamedTuple):
    """What becomes of M measured candidates, each ``(M,)`` bool.

    Attributes:
        keep: they become labels.
        eligible: large enough and no duplicate, and good enough to be kept or, with
            :attr:`Thresholds.floor`, to be considered.
        too_small: the mask has too few pixels.
        duplicate: the mask overlaps a better eligible one.
        beyond: better ones fill their image's :attr:`Thresholds.max_per_image`.
    """

    keep: Tensor
    eligible: Tensor
    too_small: Tensor
    duplicate: Tensor
    beyond: Tensor


def eliminate(
    measured: InstanceData,
    image: Tensor,
    passes_class: Tensor,
    good: Tensor,
    thresholds: Thresholds,
    *,
    min_area: float,
    duplicate_iou: float | None,
) -> Elimination:
    """Choose among candidates of sufficient quality.

    Args:
        measured: see :meth:`PseudoLabelFilter.measure`.
        image: ``(M,)`` int64, the image of each candidate.
        passes_class: ``(M,)`` bool, the class quality suffices.
        good: ``(M,)`` bool, both qualities suffice.
        thresholds: of the filter; only ``floor`` and ``max_per_image`` matter here.
        min_area: a mask must have more pixels.
        duplicate_iou: drop masks that overlap a better one by more; None: keep them.
    """
    is_large = measured.area > min_area
    keep = eligible = good & passes_class & is_large
    if thresholds.floor is not None:  # better labels that are not kept suppress duplicates, too
        eligible = (measured.scores >= thresholds.floor) & passes_class & is_large
    duplicate = beyond = torch.zeros_like(keep)
    if duplicate_iou is not None:
        # Only eligible ones suppress, and only worse ones than themselves.
        masks = (measured.mask_logits > 0) & eligible[:, None, None]
        duplicate = eligible & ~suppress_duplicates(
            masks, measured.scores, iou_thr=duplicate_iou, image=image
        )
        eligible = eligible & ~duplicate
    keep = keep & eligible
    if thresholds.max_per_image is not None:
        scores = torch.where(keep, measured.scores, -1.0)
        beyond = keep & ~best_of_each_image(scores, image, count=thresholds.max_per_image)
        keep = keep & ~beyond
    return Elimination(keep, eligible, ~is_large, duplicate, beyond)
