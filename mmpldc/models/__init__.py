"""Registered models and their parts. Importing mmdet's models fills the parent registry."""

import mmdet.models  # noqa: F401

from .acquisition import (
    DiverseAmongBest,
    ExpectedErrors,
    HighestFirst,
    PixelUncertainty,
    QualityDisagreement,
    RandomOrder,
    RareClasses,
    RefinerDisagreement,
    ScoreUncertainty,
    ViewDisagreement,
)
from .backbones import SwinTransformer, TimmBackbone
from .data_preprocessors import MultiBranchDataPreprocessor
from .dense_heads import MaskIoUHead, SemiMask2FormerHead
from .detectors import SemiMask2Former
from .layers import MSDeformAttnPixelDecoder
from .losses import OHEMCrossEntropyLoss, UncertaintyWeightedCrossEntropyLoss
from .mask_refiners import GrabCutRefiner, SAMRefiner
from .necks import SimpleFeaturePyramid
from .pseudo_labels import (
    BoundaryPreservingMap,
    CertainLabelWeights,
    CertaintyWeights,
    ClassAwareThresholds,
    DynamicAligningWeights,
    ExpectedCountThreshold,
    InstanceCopyPaste,
    MaskQualityGate,
    PseudoLabelFilter,
    WeakLabels,
)
from .pseudo_labels.dense import ConfidentPixels, EntropyPercentile
from .refiners import CLIPRefiner, HiddenLabelRefiner, ImageClassifierScorer, OpenCLIPScorer
from .seg_heads import TopKMaskFormerFusionHead
from .segmentors import ClassMix, CutMix, CutOut, PixelContrast, WeakToStrongLoss
from .task_modules import MaskCrossEntropyCost
from .teacher_student import TeacherStudent

__all__ = [
    'DiverseAmongBest',
    'ExpectedErrors',
    'HighestFirst',
    'PixelUncertainty',
    'QualityDisagreement',
    'RandomOrder',
    'RareClasses',
    'RefinerDisagreement',
    'ScoreUncertainty',
    'ViewDisagreement',
    'EntropyPercentile',
    'ConfidentPixels',
    'WeakToStrongLoss',
    'CutOut',
    'CutMix',
    'ClassMix',
    'BoundaryPreservingMap',
    'CLIPRefiner',
    'CertainLabelWeights',
    'CertaintyWeights',
    'ClassAwareThresholds',
    'DynamicAligningWeights',
    'ExpectedCountThreshold',
    'GrabCutRefiner',
    'HiddenLabelRefiner',
    'ImageClassifierScorer',
    'InstanceCopyPaste',
    'MSDeformAttnPixelDecoder',
    'MaskCrossEntropyCost',
    'MaskIoUHead',
    'MaskQualityGate',
    'MultiBranchDataPreprocessor',
    'OHEMCrossEntropyLoss',
    'OpenCLIPScorer',
    'PixelContrast',
    'PseudoLabelFilter',
    'SAMRefiner',
    'SemiMask2Former',
    'SemiMask2FormerHead',
    'SimpleFeaturePyramid',
    'SwinTransformer',
    'TeacherStudent',
    'TimmBackbone',
    'TopKMaskFormerFusionHead',
    'UncertaintyWeightedCrossEntropyLoss',
    'WeakLabels',
]
