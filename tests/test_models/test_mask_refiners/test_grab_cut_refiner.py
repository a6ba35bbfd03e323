"""Masks cut at the edges of coloured objects."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from mmdet.structures import DetDataSample

from mmpldc.datasets.shapes import ShapesSpec, generate_scene
from mmpldc.functional import PixelNormalization, mask_iou
from mmpldc.models import GrabCutRefiner
from tests.test_models.test_mask_refiners.test_mask_refiner import labels_of

AS_IS = PixelNormalization(0.0, 255.0, is_rgb=True)
STRIDE = 4


def disc(size, centre, radius):
    rows, columns = np.mgrid[:size, :size] + 0.5
    return (rows - centre[0]) ** 2 + (columns - centre[1]) ** 2 < radius**2
