"""Thresholds that a config sets over a base whose threshold sets itself."""

from mmdet.utils import ConfigType, OptConfigType
from mmengine.logging import print_log

from mmpldc.registry import MODELS


def prefer_fixed_thresholds(
    pseudo_label_filter: ConfigType, class_thresholds: OptConfigType
) -> tuple[ConfigType, OptConfigType]:
    """Let thresholds that a config sets beside an inherited self-setting one take its place.

    Args:
        pseudo_label_filter: config of a filter.
        class_thresholds: config of the part that replaces its thresholds, or None.

    Returns:
        Both, changed if the filter has ``class_thr``, ``mask_thr`` and ``score_thr``, and the part
        sets the last: then the first two apply, alone.
    """
    has_all = all(
        pseudo_label_filter.get(name) is not None for name in ('class_thr', 'mask_thr', 'score_thr')
    )
    if not has_all or class_thresholds is None:
        return pseudo_label_filter, class_thresholds
    kind = MODELS.get(class_thresholds['type'])
    if not getattr(kind, 'sets_score', False):
        return pseudo_label_filter, class_thresholds
    print_log(
        'model.pseudo_label_filter sets class_thr and mask_thr, so these are the thresholds; '
        f'model.class_thresholds, {kind.__name__}, is left out',
        logger='current',
    )
    fixed = {name: value for name, value in pseudo_label_filter.items() if name != 'score'}
    return dict(fixed, score_thr=None), None
