"""The method as pure tensor functions, without OpenMMLab types."""

from .aligning import aligned_weight, scale_scores
from .attention import attention_mask, multi_head_attention
from .boundary import boundary_map, boundary_weights
from .correction import cosine_weight, linear_fusion, product_fusion, teacher_probabilities
from .duplicates import suppress_duplicates
from .ema import ema_update_, ramped_keep_rate
from .filtering import (
    best_class_per_query,
    coupled_threshold_filter,
    dual_threshold_filter,
    topk_query_class_pairs,
)
from .frames import resize, to_batch_frame, to_image_frame
from .matching import hungarian_match
from .pixels import PixelNormalization, normalize, unit_rgb
from .points import point_sample, sample_points, uncertain_points
from .prompts import mean_embedding, pad_prompts, softmax_ensemble
from .quality import (
    class_quality,
    foreground_probabilities,
    mask_iou,
    mask_quality,
    pairwise_mask_iou,
    soft_area,
)
from .regions import (
    content_mask,
    context_boxes,
    crop_regions,
    mask_boxes,
    pool_masks,
    resize_masks,
)
from .repeat_factors import repeat_factors
from .thresholds import class_sums, frequency_thresholds, move_thresholds
from .uncertainty import mask_uncertainty, uncertainty_weighted_bce

__all__ = [
    'PixelNormalization',
    'aligned_weight',
    'attention_mask',
    'best_class_per_query',
    'boundary_map',
    'boundary_weights',
    'class_quality',
    'class_sums',
    'content_mask',
    'context_boxes',
    'cosine_weight',
    'coupled_threshold_filter',
    'crop_regions',
    'dual_threshold_filter',
    'ema_update_',
    'foreground_probabilities',
    'frequency_thresholds',
    'hungarian_match',
    'linear_fusion',
    'mask_boxes',
    'mask_iou',
    'mask_quality',
    'mask_uncertainty',
    'mean_embedding',
    'move_thresholds',
    'multi_head_attention',
    'normalize',
    'pad_prompts',
    'pairwise_mask_iou',
    'point_sample',
    'pool_masks',
    'product_fusion',
    'ramped_keep_rate',
    'repeat_factors',
    'resize',
    'resize_masks',
    'sample_points',
    'scale_scores',
    'soft_area',
    'softmax_ensemble',
    'suppress_duplicates',
    'teacher_probabilities',
    'to_batch_frame',
    'to_image_frame',
    'topk_query_class_pairs',
    'uncertain_points',
    'uncertainty_weighted_bce',
    'unit_rgb',
]
