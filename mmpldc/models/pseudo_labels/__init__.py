"""Turn the teacher's outputs into weighted targets: propose, measure, keep, weigh.

The refiners (:mod:`mmpldc.models.refiners`) correct classes between keeping and weighing.
"""

from .class_aware_thresholds import ClassAwareThresholds
from .expected_count_threshold import ExpectedCountThreshold
from .filter import PseudoLabelFilter
from .label_weights import (
    CertainLabelWeights,
    DynamicAligningWeights,
    LabelWeights,
    MaskQualityGate,
    WeighsLabels,
)
from .pixel_weights import BoundaryPreservingMap, CertaintyWeights, MaskPoints, WeighsPixels
from .reasons import REASONS, explain_selection
from .selection import Candidates, Considered, Selection, Thresholds, note_uncertain
from .statistics import describe_candidates, pseudo_label_statistics

__all__ = [
    'BoundaryPreservingMap',
    'Candidates',
    'CertainLabelWeights',
    'CertaintyWeights',
    'ClassAwareThresholds',
    'Considered',
    'DynamicAligningWeights',
    'ExpectedCountThreshold',
    'LabelWeights',
    'MaskPoints',
    'MaskQualityGate',
    'PseudoLabelFilter',
    'REASONS',
    'Selection',
    'Thresholds',
    'WeighsLabels',
    'WeighsPixels',
    'describe_candidates',
    'explain_selection',
    'note_uncertain',
    'pseudo_label_statistics',
]
