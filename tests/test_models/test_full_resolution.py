"""What reading pseudo-masks at stride 4 costs against upsampling them first.

The released code upsamples all mask logits to the input, and takes quality and masks from there.
Blobs stand in for a trained teacher's masks: logits that grow with the signed distance to an
ellipse's edge, from -8 to 8, and pass 6 within a few pixels.
"""

import math

import pytest
import torch
import torch.nn.functional as F

from mmpldc.datasets.transforms import PseudoLabelFilter
from mmpldc.functional import mask_quality, sample_points
from mmpldc.models.dense_heads import MaskTargets

STRIDE, CELLS = 4, 64
PIXELS = STRIDE * CELLS
NUM_MASKS = 60


def blobs(radii: tuple[float, float], edge: float) -> torch.Tensor:
    """Mask logits ``(NUM_MASKS, CELLS, CELLS)`` of ellipses anywhere in the image.

    Args:
        radii: range of the semi-axes in pixels of the input.
        edge: pixels from the edge to a logit of 6.
    """
    centre = (torch.rand(NUM_MASKS, 2, 1, 1) * 0.8 + 0.1) * PIXELS
    axis = torch.empty(NUM_MASKS, 2, 1, 1).uniform_(*radii)
    turn = torch.rand(NUM_MASKS, 1, 1) * math.pi
    at = (torch.arange(CELLS) + 0.5) * STRIDE
    x, y = at[None, None, :] - centre[:, 0], at[None, :, None] - centre[:, 1]
    u = (x * turn.cos() + y * turn.sin()) / axis[:, 0]
    v = (y * turn.cos() - x * turn.sin()) / axis[:, 1]
    radius = (u**2 + v**2).sqrt().clamp(min=1e-6)
    slope = ((u / axis[:, 0]) ** 2 + (v / axis[:, 1]) ** 2).sqrt() / radius
    distance = ((1 - radius) / slope.clamp(min=1e-6)).minimum(axis.amin(dim=1))
    return (6 * distance / edge).clamp(-8, 8)


def upsample(mask_logits):
    return F.interpolate(mask_logits[None], (PIXELS, PIXELS), mode='bilinear')[0]


def filtered(mask_logits, full_resolution):
    """All masks as labels, in the order of ``mask_logits``."""
    num_masks = len(mask_logits)
    confidence = torch.linspace(6, 5, num_masks)  # of the class; falls so steeply that the
    cls_logits = torch.stack([confidence, torch.zeros(num_masks)], dim=1)
    filtering = PseudoLabelFilter(
        class_thr=0.5, mask_thr=0.5, full_resolution=full_resolution
    )
    results = filtering(
        dict(
            cls_logits=cls_logits[None],
            mask_logits=mask_logits[None],
            input_shape=(PIXELS, PIXELS),
        )
    )
    instances = results['pseudo_instances'][0]
    return instances[instances.cls_logits[:, 0].argsort(descending=True)]
