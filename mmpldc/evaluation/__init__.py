import mmpldc._mmdet  # noqa: F401

from .coco_metric import CocoMetric
from .corrections import Corrections, count_corrections, run_lengths_of
from .error_analysis import (
    ERROR_TYPES,
    classify_errors,
    confusion_matrix,
    error_types,
    rank_correlations,
)
from .error_costs import ERROR_KINDS, ErrorTable, error_costs, tabulate_errors
from .pixel_label_quality import PixelLabelCounts, compare_pixel_labels
from .pseudo_label_quality import (
    PseudoLabelTable,
    compare_candidates,
    compare_pseudo_labels,
    logits_in_original_frame,
)
from .run_comparison import Comparison, compare_matches
from .scorer_accuracy import precision_and_recall, scorer_confusion

__all__ = [
    'CocoMetric',
    'Comparison',
    'Corrections',
    'count_corrections',
    'run_lengths_of',
    'ERROR_KINDS',
    'ERROR_TYPES',
    'ErrorTable',
    'error_costs',
    'tabulate_errors',
    'classify_errors',
    'confusion_matrix',
    'error_types',
    'rank_correlations',
    'PixelLabelCounts',
    'PseudoLabelTable',
    'compare_candidates',
    'compare_matches',
    'compare_pixel_labels',
    'compare_pseudo_labels',
    'logits_in_original_frame',
    'precision_and_recall',
    'scorer_confusion',
]
