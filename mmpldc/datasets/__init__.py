"""Data sets, transforms and samplers. Importing mmdet's datasets fills the parent registry."""

import mmpldc._mmdet  # noqa: F401

from .samplers import ResumableMultiSourceSampler
from .semi_dataset import SemiDataset
from .transforms import TorchvisionTransforms

__all__ = [
    'ResumableMultiSourceSampler',
    'SemiDataset',
    'TorchvisionTransforms',
]
