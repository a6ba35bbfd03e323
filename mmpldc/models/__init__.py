"""Registered models and their parts. Importing mmdet's models fills the parent registry."""

import mmdet.models  # noqa: F401

from .backbones import PlainViT, SwinTransformer
from .data_preprocessors import MultiBranchDataPreprocessor
from .dense_heads import MaskIoUHead, SemiMask2FormerHead
from .detectors import SemiMask2Former
from .layers import MSDeformAttnPixelDecoder
from .losses import UncertaintyWeightedCrossEntropyLoss
from .necks import SimpleFeaturePyramid
from .pseudo_labels import (
    BoundaryPreservingMap,
    CertaintyWeights,
    ClassAwareThresholds,
    DynamicAligningWeights,
    MaskQualityGate,
    PseudoLabelFilter,
)
from .refiners import CLIPRefiner, ImageClassifierScorer, OpenCLIPScorer
from .seg_heads import TopKMaskFormerFusionHead
from .task_modules import MaskCrossEntropyCost
from .teacher_student import TeacherStudent

__all__ = [
    'BoundaryPreservingMap',
    'CLIPRefiner',
    'CertaintyWeights',
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
    'PseudoLabelFilter',
    'SemiMask2Former',
    'SemiMask2FormerHead',
    'SimpleFeaturePyramid',
    'SwinTransformer',
    'TeacherStudent',
    'TopKMaskFormerFusionHead',
    'UncertaintyWeightedCrossEntropyLoss',
]
