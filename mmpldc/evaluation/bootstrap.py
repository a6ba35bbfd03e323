"""COCO's average precision on resampled images: how much it depends on the choice of images.

Predictions are matched with objects once, by pycocotools. A resample only changes how often each
image counts, so a thousand resamples cost little more than one evaluation.
"""

import contextlib
import io
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

SIZES = ('all', 'small', 'medium', 'large')  # COCO's ranges of area: below 32 x 32, to 96 x 96
IOU_THRS = np.linspace(0.5, 0.95, 10)
RECALL_THRS = np.linspace(0, 1, 101)  # COCO's
MAX_CELLS = 2**24  # of resamples times predictions at a time


class ClassMatches(NamedTuple):
    """Predictions of one class and objects in one range of sizes; T IoU thresholds.

    Attributes:
        image: ``(D,)`` int, the image of each prediction; best score first.
        hits: ``(T, D)`` bool, whether the prediction found an object.
        counted: ``(T, D)`` bool; the others neither help nor harm, such as those on crowds.
        num_objects: ``(I,)`` int, objects in each image.
    """

    image: np.ndarray
    hits: np.ndarray
    counted: np.ndarray
    num_objects: np.ndarray


@dataclass(frozen=True)
class Matches:
    """Predictions for I images, matched with the objects of N classes.

    Attributes:
        image_ids: I ids, in ascending order.
        category_ids: N ids.
        parts: for each class one entry per range of :data:`SIZES`.
    """

    image_ids: tuple[int, ...]
    category_ids: tuple[int, ...]
    parts: tuple[tuple[ClassMatches, ...], ...]


class Interval(NamedTuple):
    """A value on all images and its interval over resamples.

    Attributes:
        value: on the images as they are; NaN if undefined.
        low, high: ends of the interval; NaN if undefined.
    """

    value: float
    low: float
    high: float


def match_predictions(evaluator: COCOeval) -> Matches:
    """Collect which predictions found an object.

    Args:
        evaluator: see :func:`evaluate_images`.
    """
    images = tuple(int(image_id) for image_id in evaluator.params.imgIds)
    found = iter(evaluator.evalImgs)
    parts = tuple(
        tuple(_join([next(found) for _ in images]) for _ in SIZES) for _ in evaluator.params.catIds
    )
    return Matches(images, tuple(evaluator.params.catIds), parts)


def evaluate_images(
    truth: COCO,
    predictions: Sequence[dict],
    *,
    category_ids: Sequence[int],
    image_ids: Sequence[int] | None = None,
    iou_type: str = 'segm',
    max_dets: int = 100,
) -> COCOeval:
    """Match predictions with objects as COCO does.

    Args:
        truth: annotations.
        predictions: in COCO's format for results: ``image_id``, ``category_id``, ``score`` and
            ``segmentation`` or ``bbox``. May be empty.
        category_ids: N classes.
        image_ids: images to use; None for all.
        iou_type: ``'segm'`` or ``'bbox'``.
        max_dets: predictions an image and class, the best ones.

    Returns:
        pycocotools' evaluator after ``evaluate()``, with ``evalImgs`` and ``ious``.
    """
    with contextlib.redirect_stdout(io.StringIO()):
        results = truth.loadRes([dict(entry) for entry in predictions]) if predictions else COCO()
        evaluator = COCOeval(truth, results, iou_type)
        if not predictions:
            results.dataset = dict(images=[], annotations=[], categories=[])
            results.createIndex()
        evaluator.params.catIds = list(category_ids)
        evaluator.params.imgIds = sorted(truth.getImgIds() if image_ids is None else image_ids)
        evaluator.params.iouThrs = IOU_THRS
        evaluator.params.maxDets = [max_dets]
        evaluator.evaluate()
    # pycocotools sorts ids of classes when it evaluates; the given order counts here
    order = {category_id: rank for rank, category_id in enumerate(evaluator.params.catIds)}
    size = len(SIZES) * len(evaluator.params.imgIds)
    evaluator.evalImgs = [
        entry
        for category_id in category_ids
        for entry in evaluator.evalImgs[order[category_id] * size : (order[category_id] + 1) * size]
    ]
    evaluator.params.catIds = list(category_ids)
    return evaluator


def _join(found: Sequence[dict | None]) -> ClassMatches:
    """Join pycocotools' results of the images, for one class and range of sizes."""
    num_thrs = len(IOU_THRS)
    present = [(index, entry) for index, entry in enumerate(found) if entry is not None]
    num_objects = np.zeros(len(found), np.int64)
    for index, entry in present:
        num_objects[index] = np.count_nonzero(np.asarray(entry['gtIgnore']) == 0)
    scores = [np.asarray(entry['dtScores'], float) for _, entry in present]
    if not any(map(len, scores)):
        none = np.zeros((num_thrs, 0), bool)
        return ClassMatches(np.zeros(0, np.int64), none, none, num_objects)
    order = np.argsort(-np.concatenate(scores), kind='mergesort')  # ties as in pycocotools
    image = np.repeat([index for index, _ in present], list(map(len, scores)))
    hits = np.concatenate([entry['dtMatches'] != 0 for _, entry in present], axis=1)
    ignored = np.concatenate([entry['dtIgnore'] != 0 for _, entry in present], axis=1)
    counted = ~ignored[:, order]
    return ClassMatches(image[order], hits[:, order] & counted, counted, num_objects)


def resample_images(num_images: int, *, samples: int, seed: int = 0) -> np.ndarray:
    """Draw images with replacement.

    Args:
        num_images: I, of the set and of each resample.
        samples: B.
        seed: of the draws. Two runs that are compared need the same draws.

    Returns:
        ``(B, I)`` int, how often each image is in each resample.
    """
    generator = np.random.default_rng(seed)
    return generator.multinomial(num_images, np.full(num_images, 1 / num_images), size=samples)


def average_precisions(matches: Matches, weights: np.ndarray | None = None) -> np.ndarray:
    """Compute COCO's AP of each class, range of sizes and IoU threshold, for B resamples.

    It equals pycocotools' AP on a set in which each image is repeated as often as its weight says.
    Only where two predictions of one class in one image have equal scores, their copies follow
    each other here and alternate there.

    Args:
        matches: see :func:`match_predictions`.
        weights: ``(B, I)`` int; None: each image once, so B is 1.

    Returns:
        ``(B, N, len(SIZES), T)`` float in [0, 1]; NaN where a resample has no object.
    """
    if weights is None:
        weights = np.ones((1, len(matches.image_ids)), np.int64)
    per_class = [
        np.stack([resampled_ap(part, weights) for part in parts], axis=1) for parts in matches.parts
    ]
    shape = len(weights), 0, len(SIZES), len(IOU_THRS)
    return np.stack(per_class, axis=1) if per_class else np.zeros(shape)


def mean_ap(precisions: np.ndarray) -> np.ndarray:
    """Average over classes and thresholds as COCO does: classes without objects do not count.

    Args:
        precisions: ``(..., N, len(SIZES), T)``, see :func:`average_precisions`.

    Returns:
        ``(..., len(SIZES))`` float; NaN where no class has objects.
    """
    known = ~np.isnan(precisions)
    total = np.where(known, precisions, 0).sum(axis=(-3, -1))
    number = known.sum(axis=(-3, -1))
    return np.divide(total, number, out=np.full(total.shape, np.nan), where=number > 0)


def interval(value: float, resampled: np.ndarray, *, level: float = 0.95) -> Interval:
    """Return the basic bootstrap interval: the resamples' quantiles, mirrored at the value.

    AP on few images is too high on average, and on resamples of them still higher. The basic
    interval takes this off; the percentile interval would add it. benchmarks/bootstrap_coverage.py
    compares how often they contain the truth.

    Args:
        value: on all images.
        resampled: ``(B,)`` float, on the resamples; NaN is left out.
        level: share of the resamples inside.
    """
    known = resampled[~np.isnan(resampled)]
    if not len(known) or np.isnan(value):
        return Interval(float(value), float('nan'), float('nan'))
    tail = (1 - level) / 2
    low, high = np.quantile(known, [tail, 1 - tail])
    return Interval(float(value), float(2 * value - high), float(2 * value - low))


def resampled_ap(part: ClassMatches, weights: np.ndarray) -> np.ndarray:
    """Compute the AP of one class and range of sizes.

    Args:
        part: predictions and objects.
        weights: ``(B, I)`` int, how often each image counts.

    Returns:
        ``(B, T)`` float in [0, 1]; NaN where a resample has no object.
    """
    at_once = max(1, MAX_CELLS // max(1, len(part.image)))
    chunks = [weights[start : start + at_once] for start in range(0, len(weights), at_once)]
    return np.concatenate([_resampled_chunk(part, chunk) for chunk in chunks])


def _resampled_chunk(part: ClassMatches, weights: np.ndarray) -> np.ndarray:
    num_objects = weights @ part.num_objects
    result = np.zeros((len(weights), len(part.hits)))
    result[num_objects == 0] = np.nan
    rows = np.flatnonzero(num_objects)
    if not len(rows) or not len(part.image):
        return result
    repeats = weights[rows].astype(np.int32)[:, part.image]
    needed = _needed_hits(num_objects[rows])
    seen: np.ndarray = repeats
    of: np.ndarray | None = None
    for thr, (hits, counted) in enumerate(zip(part.hits, part.counted, strict=True)):
        found = np.flatnonzero(hits)
        if not len(found):
            continue
        # Precision has its maxima where an object is found, so only these places are looked at.
        true = np.cumsum(repeats[:, found], axis=1)
        if of is None or not np.array_equal(counted, of):  # mostly equal at all thresholds
            seen, of = np.cumsum(repeats * counted, axis=1, dtype=np.int32), counted
        precision = true / (seen[:, found] + np.spacing(1))  # as in pycocotools
        envelope = np.maximum.accumulate(precision[:, ::-1], axis=1)[:, ::-1]
        place = _first_at_least(true, needed)
        padded = np.concatenate([envelope, np.zeros((len(rows), 1))], axis=1)
        result[rows, thr] = np.take_along_axis(padded, place, axis=1).mean(axis=1)
    return result


def _needed_hits(num_objects: np.ndarray) -> np.ndarray:
    """Fewest hits with a recall of at least each threshold, ``(B, 101)`` int.

    Recall is a quotient of floats in pycocotools, so a product with the threshold alone could be
    one off.
    """
    total = num_objects[:, None]
    needed = np.ceil(RECALL_THRS * total)
    needed = np.where((needed - 1) / total >= RECALL_THRS, needed - 1, needed)
    needed = np.where(needed / total < RECALL_THRS, needed + 1, needed)
    return needed.astype(np.int64)


def _first_at_least(rising: np.ndarray, wanted: np.ndarray) -> np.ndarray:
    """First place in each row of ``(B, P)`` with at least each of ``(B, R)``; P if there is none.

    One search for all rows: each gets a range of numbers of its own.
    """
    num_rows, length = rising.shape
    step = max(rising.max(initial=0), wanted.max(initial=0)) + 1
    offset = step * np.arange(num_rows)[:, None]
    place = np.searchsorted((rising + offset).ravel(), (wanted + offset).ravel())
    return place.reshape(wanted.shape) - length * np.arange(num_rows)[:, None]
