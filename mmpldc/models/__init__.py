"""Detectors, heads, losses. Importing mmdet's models fills the parent registry."""

import mmdet.models  # noqa: F401

from .data_preprocessors import MultiBranchDataPreprocessor
from .dense_heads import SemiMask2FormerHead
from .detectors import SemiMask2Former
from .losses import UncertaintyWeightedCrossEntropyLoss

__all__ = [
    'MultiBranchDataPreprocessor',
    'SemiMask2Former',
    'SemiMask2FormerHead',
    'UncertaintyWeightedCrossEntropyLoss',
]
