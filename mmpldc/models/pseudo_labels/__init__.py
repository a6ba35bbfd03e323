"""Turn the teacher's outputs into weighted targets: propose, measure, keep, weigh.

Between keeping and weighing, labels from elsewhere may join (:class:`WeakLabels`), and refiners
correct masks (:mod:`mmpldc.models.mask_refiners`) and classes (:mod:`mmpldc.models.refiners`).
"""

from .class_aware_thresholds import ClassAwareThresholds
from .copy_paste import InstanceCopyPaste, LabeledView
from .expected_count_threshold import ExpectedCountThreshold
from .filter import PseudoLabelFilter
from .fixed_thresholds import prefer_fixed_thresholds
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
from .weak_labels import WeakLabels, without_labels

__all__ = [
    'BoundaryPreservingMap',
    'Candidates',
    'CertainLabelWeights',
    'CertaintyWeights',
    'ClassAwareThresholds',
    'Considered',
    'DynamicAligningWeights',
    'ExpectedCountThreshold',
    'InstanceCopyPaste',
    'LabelWeights',
    'LabeledView',
    'MaskPoints',
    'MaskQualityGate',
    'PseudoLabelFilter',
    'REASONS',
    'Selection',
    'Thresholds',
    'WeakLabels',
    'WeighsLabels',
    'WeighsPixels',
    'describe_candidates',
    'explain_selection',
    'note_uncertain',
    'prefer_fixed_thresholds',
    'pseudo_label_statistics',
    'without_labels',
]
