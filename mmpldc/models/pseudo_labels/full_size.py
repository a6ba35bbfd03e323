"""Qualities of masks at the size of the images, without holding all masks at that size."""

import torch
import torch.nn.functional as F
from torch import Tensor

from mmpldc.functional import mask_quality

MAX_PIXELS = 2**22  # upsampled at a time: 4 masks of 1024 x 1024


def measure_at_full_size(
    mask_logits: Tensor, size: tuple[int, int], *, keep_masks: bool = False
) -> tuple[Tensor, Tensor, Tensor | None]:
    """Measure quality and area of upsampled masks, a few at a time.

    Args:
        mask_logits: ``(M, h, w)`` float.
        size: (H, W) of the padded batch.
        keep_masks: return the upsampled logits, too.

    Returns:
        Quality ``(M,)`` float in [0, 1] (Eq. 4), area ``(M,)`` in pixels of the padded batch, and
        logits ``(M, H, W)``, or None.
    """
    if not len(mask_logits):  # interpolate refuses it
        nothing = mask_logits.new_zeros(0)
        return nothing, nothing, mask_logits.new_zeros(0, *size) if keep_masks else None
    found = []
    for few in mask_logits.split(max(1, MAX_PIXELS // (size[0] * size[1]))):
        full_size = F.interpolate(few[None], size, mode='bilinear')[0]
        found.append((*mask_quality(full_size), full_size if keep_masks else None))
    qualities, areas, masks = zip(*found, strict=True)
    return torch.cat(qualities), torch.cat(areas), torch.cat(masks) if keep_masks else None
