"""Whether validation computes the metric that selects the best checkpoint."""

from collections.abc import Sequence
from difflib import get_close_matches

from mmengine.config import Config

from .annotations import Contents
from .findings import Finding

COCO = ('CocoMetric', 'mmpldc.CocoMetric')
IOU = ('mmseg.IoUMetric', 'IoUMetric')
COCO_ITEMS = ('mAP', 'mAP_50', 'mAP_75', 'mAP_s', 'mAP_m', 'mAP_l')
SIZES = ('small', 'medium', 'large')  # of COCO's mAP_s, mAP_m and mAP_l


def metrics_of(cfg: Config) -> set[str] | None:
    """Names of the metrics that each validation of a run computes.

    Args:
        cfg: of a run.

    Returns:
        The names, or None if an evaluator is of a kind that nobody knows here.
    """
    evaluators = cfg.get('val_evaluator') or []
    names: set[str] = set()
    for evaluator in [evaluators] if isinstance(evaluators, dict) else evaluators:
        own = _metrics_of_evaluator(evaluator)
        if own is None:
            return None
        names |= own
    loop = cfg.get('val_cfg') or {}
    if 'TeacherStudentValLoop' not in str(loop.get('type')):
        return names
    validated = ['teacher', *(['student'] if loop.get('student_interval') == 1 else [])]
    return {f'{who}/{name}' for who in validated for name in names}


def _metrics_of_evaluator(evaluator: dict) -> set[str] | None:
    kind = evaluator.get('type')
    prefix = evaluator.get('prefix') or ('coco' if kind in COCO else '')
    if kind in COCO:
        metrics = evaluator.get('metric', 'bbox')
        metrics = [metrics] if isinstance(metrics, str) else metrics
        if not set(metrics) <= {'bbox', 'segm'} or evaluator.get('classwise'):
            return None
        items = evaluator.get('metric_items') or COCO_ITEMS
        names = {f'{metric}_{item}' for metric in metrics for item in items}
    elif kind in IOU and list(evaluator.get('iou_metrics') or ['mIoU']) == ['mIoU']:
        names = {'aAcc', 'mIoU', 'mAcc'}
    else:
        return None
    return {f'{prefix}/{name}' if prefix else name for name in names}


def check_numbers_of_detections(cfg: Config, file: str) -> list[Finding]:
    """Find ``proposal_nums`` with which AP would be -1.

    Args:
        cfg: of a run.
        file: name of the config in findings.

    Returns:
        Errors.
    """
    findings = []
    for role in 'val', 'test':
        evaluators = cfg.get(f'{role}_evaluator') or []
        for evaluator in [evaluators] if isinstance(evaluators, dict) else evaluators:
            nums = evaluator.get('proposal_nums')
            if evaluator.get('type') not in COCO or nums is None:
                continue
            nums = list(nums) if isinstance(nums, list | tuple) else [nums]
            are_counts = all(type(num) is int and num > 0 for num in nums)
            is_ours = evaluator['type'] != 'CocoMetric'
            if len(nums) != 3 or not are_counts or len(set(nums)) != 3:
                problem = 'write three different numbers, such as (100, 300, 1000)'
            elif not is_ours and sorted(nums) != nums:
                problem = "mmdet's CocoMetric needs increasing numbers"
            elif not is_ours and 100 not in nums:
                problem = "AP would be -1: mmdet's CocoMetric needs 100; mmpldc.CocoMetric does not"
            else:
                continue
            message = f'is {tuple(nums)}: {problem}'
            findings.append(Finding('error', file, f'{role}_evaluator.proposal_nums', message))
    return findings


def check_best(cfg: Config, file: str, validated: Sequence[Contents] = ()) -> list[Finding]:
    """Find metrics to choose by that no validation computes, or that are -1 on these data.

    They are in ``save_best`` of the checkpoints, and the ``monitor`` of early stopping and of the
    supervised guard.

    Args:
        cfg: of a run.
        file: name of the config in findings.
        validated: what is in the files of the validation set, if they were read.

    Returns:
        Errors.
    """
    hooks = cfg.get('default_hooks') or {}
    best = (hooks.get('checkpoint') or {}).get('save_best') or []
    wanted = [
        ('default_hooks.checkpoint.save_best', name)
        for name in ([best] if isinstance(best, str) else list(best))
    ]
    for hook in 'early_stopping', 'supervised_guard':
        own = hooks.get(hook) or {}
        if 'monitor' in own:
            wanted.append((f'default_hooks.{hook}.monitor', own['monitor']))
    known = metrics_of(cfg) if cfg.get('val_cfg') else None
    findings = []
    for where, name in wanted:
        if known is not None and name not in (*known, 'auto'):
            near = get_close_matches(name, known, n=1, cutoff=0.4)
            rest = ', '.join(sorted(known - {*near}))
            message = f'is {name}, which validation does not compute: ' + (
                f'did you mean {near[0]}? Others are {rest}' if near else f'choose one of {rest}'
            )
            findings.append(Finding('error', file, where, message))
            continue
        for suffix, size in zip(('_s', '_m', '_l'), range(3), strict=True):
            is_known = bool(validated) and known is not None and name.endswith(f'mAP{suffix}')
            if is_known and not sum(contents.by_area[size] for contents in validated):
                message = (
                    f'is {name}, which would always be -1: the validation set has no '
                    f'{SIZES[size]} object'
                )
                findings.append(Finding('error', file, where, message))
    return findings
