"""The method as pure tensor functions, without OpenMMLab types."""

from .duplicates import suppress_duplicates
from .ema import ema_update_
from .filtering import (
    best_class_per_query,
    coupled_threshold_filter,
    dual_threshold_filter,
    topk_query_class_pairs,
)
from .matching import hungarian_match
from .points import sample_points
from .quality import class_quality, foreground_probabilities, mask_quality
from .uncertainty import mask_uncertainty, uncertainty_weighted_bce

__all__ = [
    'best_class_per_query',
    'class_quality',
    'coupled_threshold_filter',
    'dual_threshold_filter',
    'ema_update_',
    'foreground_probabilities',
    'hungarian_match',
    'mask_quality',
    'mask_uncertainty',
    'sample_points',
    'suppress_duplicates',
    'topk_query_class_pairs',
    'uncertainty_weighted_bce',
]
