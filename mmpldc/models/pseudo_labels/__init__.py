"""From the teacher's predictions to weighted targets for the student."""

from .class_aware_thresholds import ClassAwareThresholds
from .filter import PseudoLabelFilter
from .label_weights import DynamicAligningWeights, LabelWeights, MaskQualityGate
from .pixel_weights import BoundaryPreservingMap
from .statistics import pseudo_label_statistics

__all__ = [
    'BoundaryPreservingMap',
    'ClassAwareThresholds',
    'DynamicAligningWeights',
    'LabelWeights',
    'MaskQualityGate',
    'PseudoLabelFilter',
    'pseudo_label_statistics',
]
