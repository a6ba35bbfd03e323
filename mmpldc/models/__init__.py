"""What is built from a config. Importing mmdet's models fills the parent registry."""

import mmdet.models  # noqa: F401

from .backbones import PlainViT, SwinTransformer
from .class_aware_thresholds import ClassAwareThresholds
from .data_preprocessors import MultiBranchDataPreprocessor
from .dense_heads import MaskIoUHead, SemiMask2FormerHead
from .detectors import SemiMask2Former
from .losses import UncertaintyWeightedCrossEntropyLoss
from .necks import SimpleFeaturePyramid
from .pixel_decoders import MSDeformAttnPixelDecoder
from .refiners import CLIPRefiner, ImageClassifierScorer, OpenCLIPScorer
from .seg_heads import TopKMaskFormerFusionHead
from .task_modules import (
    BoundaryPreservingMap,
    DynamicAligningWeights,
    MaskCrossEntropyCost,
    MaskQualityGate,
)

__all__ = [
    'BoundaryPreservingMap',
    'CLIPRefiner',
    'ClassAwareThresholds',
    'DynamicAligningWeights',
    'ImageClassifierScorer',
    'MSDeformAttnPixelDecoder',
    'MaskCrossEntropyCost',
    'MaskIoUHead',
    'MaskQualityGate',
    'MultiBranchDataPreprocessor',
    'OpenCLIPScorer',
    'PlainViT',
    'SemiMask2Former',
    'SemiMask2FormerHead',
    'SimpleFeaturePyramid',
    'SwinTransformer',
    'TopKMaskFormerFusionHead',
    'UncertaintyWeightedCrossEntropyLoss',
]
