"""COCO metric for images with many objects, with faster encoding and, by option, evaluation."""

import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any
from unittest import mock

import mmpldc._mmdet  # noqa: F401

import numpy as np
from mmdet.evaluation.metrics import CocoMetric as MMDetCocoMetric
from mmdet.evaluation.metrics import coco_metric as mmdet_module
from mmengine.logging import MMLogger
from pycocotools.cocoeval import COCOeval
from torch import Tensor

from mmpldc.registry import METRICS
from mmpldc.utils.run_lengths import encode_masks

BACKENDS = ('pycocotools', 'faster_coco_eval')


@METRICS.register_module()
class CocoMetric(MMDetCocoMetric):
    """mmdet's ``CocoMetric`` in less time, and with every AP at the largest number of detections.

    mmdet takes AP at the best 100 predictions of a class in an image, the other numbers at the
    largest of ``proposal_nums``. Up to 100 predictions an image the two are the same. The printed
    table names the number (maxDets), and shows ``-`` where there is no object to find.

    Args:
        backend: library that matches predictions with objects: ``pycocotools``, or
            ``faster_coco_eval`` (in C++; ``pip install faster-coco-eval``), which gives the same
            numbers.
        proposal_nums: numbers of best-scored predictions that count, of a class in an image:
            three, in any order. All APs are at the largest.
        **kwargs: as in mmdet.

    Raises:
        ValueError: for another backend, or other ``proposal_nums``; with ``use_mp_eval``, an
            option for pycocotools only.
        ImportError: if the backend is not installed.
    """

    def __init__(
        self,
        *,
        backend: str = 'pycocotools',
        proposal_nums: Sequence[int] = (100, 300, 1000),
        **kwargs: Any,
    ) -> None:
        nums = set(proposal_nums) if isinstance(proposal_nums, list | tuple) else set()
        if len(nums) != 3 or not all(type(num) is int and num > 0 for num in nums):
            raise ValueError(
                f'CocoMetric: proposal_nums={proposal_nums!r} must be three different numbers of '
                'predictions, such as (100, 300, 1000); AP is at the largest one'
            )
        super().__init__(proposal_nums=sorted(nums), **kwargs)
        if backend not in BACKENDS:
            raise ValueError(f'CocoMetric: backend is one of {BACKENDS}, got {backend!r}')
        if backend == 'faster_coco_eval' and self.use_mp_eval:
            raise ValueError('CocoMetric: use_mp_eval needs backend="pycocotools"')
        evaluator = COCOeval if backend == 'pycocotools' else faster_evaluator()
        self.evaluator = with_summary(evaluator)

    def process(self, data_batch: dict, data_samples: Sequence[dict]) -> None:
        """Store the predictions of a batch, with masks as run lengths.

        Args:
            data_batch: not used.
            data_samples: with ``pred_instances``; not modified.
        """
        super().process(data_batch, [_encode_sample(sample) for sample in data_samples])

    def compute_metrics(self, results: list) -> dict[str, float]:
        """Compute the metrics as mmdet does.

        Args:
            results: of all images, as mmdet's ``process`` keeps them.
        """
        with _mmdet_evaluates_with(self.evaluator):
            return super().compute_metrics(results)


def faster_evaluator() -> type:
    """Return faster-coco-eval's evaluator.

    Raises:
        ImportError: if it is not installed; the message says how to install it.
    """
    try:
        from faster_coco_eval import COCOeval_faster
    except ImportError as error:
        raise ImportError(
            'CocoMetric: backend="faster_coco_eval" needs "pip install faster-coco-eval"'
        ) from error

    return COCOeval_faster


def with_summary(evaluator: type) -> type:
    """Return an evaluator with :func:`summarize`, and otherwise as it is.

    Args:
        evaluator: ``COCOeval`` of pycocotools or one with its interface.
    """
    return type(evaluator.__name__, (evaluator,), dict(summarize=summarize))


def summarize(evaluation: Any) -> None:
    """Compute and print pycocotools' twelve numbers, AP at the largest number of detections.

    Args:
        evaluation: a ``COCOeval`` after ``accumulate``; gets ``stats``, ``(12,)`` float64, which
            are -1 where there is no object to find, as in pycocotools.
    """
    few, more, most = evaluation.params.maxDets
    rows = [
        *(('AP', threshold, 'all', most) for threshold in (None, 0.5, 0.75)),
        *(('AP', None, size, most) for size in ('small', 'medium', 'large')),
        *(('AR', None, 'all', number) for number in (few, more, most)),
        *(('AR', None, size, most) for size in ('small', 'medium', 'large')),
    ]
    evaluation.stats = np.array([_mean_of(evaluation, *row) for row in rows])
    thresholds = f'{evaluation.params.iouThrs[0]:.2f}:{evaluation.params.iouThrs[-1]:.2f}'
    for (kind, threshold, area, number), value in zip(rows, evaluation.stats, strict=True):
        iou = thresholds if threshold is None else f'{threshold:.2f}'
        name = 'Average Precision' if kind == 'AP' else 'Average Recall'
        where = f'IoU={iou:<9} | area={area:>6} | maxDets={number:>4}'
        print(f' {name:<18} ({kind}) @[ {where} ] = {"-" if value < 0 else f"{value:.3f}"}')
    if (evaluation.stats < 0).any():
        print(' -: the set has no such object to find, so there is no number')


def _mean_of(evaluation: Any, kind: str, threshold: float | None, area: str, number: int) -> float:
    """Mean precision or recall over classes, -1 if no class has an object of this area."""
    params = evaluation.params
    # precision: threshold, recall, class, area, number; recall: threshold, class, area, number
    values = evaluation.eval['precision' if kind == 'AP' else 'recall']
    if threshold is not None:
        values = values[np.isclose(params.iouThrs, threshold)]
    values = values[..., params.areaRngLbl.index(area), params.maxDets.index(number)]
    counted = values[values > -1]
    return float(counted.mean()) if counted.size else -1.0


def _encode_sample(sample: dict) -> dict:
    """Return a data sample whose predicted masks are run lengths."""
    instances = sample['pred_instances']
    if not isinstance(instances.get('masks'), Tensor):
        return sample
    return {**sample, 'pred_instances': {**instances, 'masks': encode_masks(instances['masks'])}}


@contextmanager
def _mmdet_evaluates_with(evaluator: type) -> Iterator[None]:
    """Replace mmdet's evaluators, names in its module; mmdet offers no other way to set them."""
    replaced: Any = dict(COCOeval=evaluator, COCOevalMP=with_summary(mmdet_module.COCOevalMP))
    with mock.patch.multiple(mmdet_module, **replaced), _without_minus_one():
        yield


@contextmanager
def _without_minus_one() -> Iterator[None]:
    """Have mmdet's line of six numbers show ``-`` where there is no number."""

    def rewrite(record: logging.LogRecord) -> bool:
        if '_copypaste' in str(record.msg):
            record.msg = record.msg.replace('-1.000', '-')
        return True

    logger = MMLogger.get_current_instance()
    logger.addFilter(rewrite)
    try:
        yield
    finally:
        logger.removeFilter(rewrite)
