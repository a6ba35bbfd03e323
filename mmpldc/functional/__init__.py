"""The method as pure tensor functions, without OpenMMLab types."""

from .acquisition import (
    expected_errors,
    jensen_shannon,
    pixel_uncertainty,
    pool_predictions,
    quality_disagreement,
    rarity_weights,
    score_uncertainty,
    view_disagreement,
)
from .aligning import aligned_weight, scale_scores
from .attention import attention_mask, multi_head_attention
from .boundary import boundary_map, boundary_weights
from .contrast import (
    anchor_pixels,
    class_ranks,
    draw_with_replacement,
    draw_without_replacement,
    info_nce,
    labeled_negatives,
    mean_over_classes,
    prototype_sums,
    unlabeled_negatives,
)
from .correction import cosine_weight, linear_fusion, product_fusion, teacher_probabilities
from .dense_labels import (
    dense_labels,
    label_probabilities,
    pixel_entropy,
    reliable_pixels,
    valid_pixels,
    valid_quantile,
)
from .dense_losses import (
    hard_pixel_mean,
    image_mean,
    pixel_cross_entropy,
    reliable_mean,
    valid_mean,
)
from .duplicates import suppress_duplicates
from .ease import image_ease, joint_counts
from .ema import ema_update_, ramped_keep_rate
from .expected_count import count_threshold, score_edges, score_histogram
from .filtering import (
    best_class_per_query,
    best_of_each_image,
    certain_quality,
    coupled_threshold_filter,
    dual_threshold_filter,
    image_of_each,
    topk_query_class_pairs,
)
from .frames import resize, to_batch_frame, to_image_frame
from .given_labels import class_logits_of, mask_logits_of
from .image_choice import combine_scores, k_centre_greedy, percentile_ranks
from .mask_fusion import accept_masks, fuse_masks
from .matching import hungarian_match
from .mirroring import mirror_content
from .mixing import (
    blend,
    box_masks,
    class_masks,
    cut_out,
    half_area_boxes,
    mix,
    partners_by_ease,
    random_area_boxes,
    shared_size_boxes,
)
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
    'accept_masks',
    'aligned_weight',
    'anchor_pixels',
    'attention_mask',
    'best_class_per_query',
    'best_of_each_image',
    'blend',
    'boundary_map',
    'boundary_weights',
    'box_masks',
    'certain_quality',
    'class_logits_of',
    'class_masks',
    'class_quality',
    'class_ranks',
    'class_sums',
    'combine_scores',
    'content_mask',
    'context_boxes',
    'cosine_weight',
    'count_threshold',
    'coupled_threshold_filter',
    'crop_regions',
    'cut_out',
    'dense_labels',
    'draw_with_replacement',
    'draw_without_replacement',
    'dual_threshold_filter',
    'ema_update_',
    'expected_errors',
    'foreground_probabilities',
    'frequency_thresholds',
    'fuse_masks',
    'half_area_boxes',
    'hard_pixel_mean',
    'hungarian_match',
    'image_ease',
    'image_mean',
    'image_of_each',
    'info_nce',
    'jensen_shannon',
    'joint_counts',
    'k_centre_greedy',
    'label_probabilities',
    'labeled_negatives',
    'linear_fusion',
    'mask_boxes',
    'mask_iou',
    'mask_logits_of',
    'mask_quality',
    'mask_uncertainty',
    'mean_embedding',
    'mean_over_classes',
    'mirror_content',
    'mix',
    'move_thresholds',
    'multi_head_attention',
    'normalize',
    'pad_prompts',
    'pairwise_mask_iou',
    'partners_by_ease',
    'percentile_ranks',
    'pixel_cross_entropy',
    'pixel_entropy',
    'pixel_uncertainty',
    'point_sample',
    'pool_masks',
    'pool_predictions',
    'product_fusion',
    'prototype_sums',
    'quality_disagreement',
    'ramped_keep_rate',
    'random_area_boxes',
    'rarity_weights',
    'reliable_mean',
    'reliable_pixels',
    'repeat_factors',
    'resize',
    'resize_masks',
    'sample_points',
    'scale_scores',
    'score_edges',
    'score_histogram',
    'score_uncertainty',
    'shared_size_boxes',
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
    'unlabeled_negatives',
    'valid_mean',
    'valid_pixels',
    'valid_quantile',
    'view_disagreement',
]
