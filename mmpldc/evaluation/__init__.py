import mmpldc._mmdet  # noqa: F401

from .coco_metric import CocoMetric
from .error_analysis import (
    ERROR_TYPES,
    classify_errors,
    confusion_matrix,
    error_types,
    rank_correlations,
)
from .error_costs import ERROR_KINDS, ErrorTable, error_costs, tabulate_errors
from .image_bootstrap import (
    ClassMatches,
    Comparison,
    Spread,
    average_precision,
    compare_on_images,
    match_predictions,
    mean_ap,
)
from .pseudo_label_quality import (
    PseudoLabelTable,
    compare_candidates,
    compare_pseudo_labels,
    logits_in_original_frame,
)
from .scorer_accuracy import precision_and_recall, scorer_confusion

__all__ = [
    'CocoMetric',
    'ERROR_KINDS',
    'ERROR_TYPES',
    'ErrorTable',
    'error_costs',
    'tabulate_errors',
    'classify_errors',
    'confusion_matrix',
    'error_types',
    'rank_correlations',
    'ClassMatches',
    'Comparison',
    'PseudoLabelTable',
    'Spread',
    'average_precision',
    'compare_candidates',
    'compare_on_images',
    'compare_pseudo_labels',
    'logits_in_original_frame',
    'match_predictions',
    'mean_ap',
    'precision_and_recall',
    'scorer_confusion',
]
