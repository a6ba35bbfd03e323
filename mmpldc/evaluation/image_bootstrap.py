"""Mask AP with its spread over images: whether one model is better than another on a test set.

Images are drawn with replacement (the bootstrap), the same ones for both models. The spread says
what another test set of this size might show; another seed of training is a second spread, which
only further runs show.
"""

from collections.abc import Iterator, Sequence
from contextlib import redirect_stdout
from io import StringIO
from typing import NamedTuple

import numpy as np
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

NAMES = ('AP', 'AP50', 'AP75')
RECALLS = np.linspace(0, 1, 101)  # COCO's


class ClassMatches(NamedTuple):
    """COCO's matches of the D predictions of a class on I images, best score first.

    Attributes:
        image: ``(D,)`` int64 in [0, I).
        is_right, is_wrong: ``(T, D)`` bool, at COCO's T = 10 IoU thresholds; neither for a
            prediction on a crowd.
        num_objects: ``(I,)`` int64, without crowds.
    """

    image: np.ndarray
    is_right: np.ndarray
    is_wrong: np.ndarray
    num_objects: np.ndarray


class Spread(NamedTuple):
    """A value, and the middle 95 % of the draws' values.

    Attributes:
        value: of the set as it is.
        low, high: 2.5 % and 97.5 % quantiles.
    """

    value: float
    low: float
    high: float


class Comparison(NamedTuple):
    """Two models on the same images; AP in [0, 1].

    Attributes:
        first, second: AP, AP50 and AP75 by name.
        gain: second minus first, from the same draws.
        share_better: of the draws, where the second has the higher AP.
        per_class: AP of both by class; NaN without objects.
        num_images: of the set.
    """

    first: dict[str, Spread]
    second: dict[str, Spread]
    gain: dict[str, Spread]
    share_better: float
    per_class: dict[str, tuple[float, float]]
    num_images: int

    @property
    def verdict(self) -> str:
        """'better', 'worse' or 'unclear': whether the gain's spread excludes 0."""
        gain = self.gain['AP']
        return 'better' if gain.low > 0 else 'worse' if gain.high < 0 else 'unclear'


def match_predictions(
    truth: COCO, predictions: Sequence[dict], classes: Sequence[str]
) -> list[ClassMatches]:
    """Match predicted masks with objects as COCO's evaluation does.

    Args:
        truth: the annotations.
        predictions: ``image_id``, ``category_id``, ``segmentation`` (RLE) and ``score`` each.
        classes: names, as in the annotations.

    Returns:
        One entry per class.
    """
    ids = {category['name']: category['id'] for category in truth.dataset['categories']}
    with redirect_stdout(StringIO()):
        found = truth.loadRes([dict(one) for one in predictions]) if predictions else COCO()
        evaluator = COCOeval(truth, found, 'segm')
        evaluator.params.catIds = [ids[name] for name in classes]
        evaluator.params.imgIds = sorted(truth.getImgIds())
        evaluator.params.areaRng = [evaluator.params.areaRng[0]]
        counts = np.unique([p['image_id'] for p in predictions], return_counts=True)[1]
        evaluator.params.maxDets = [max(100, *counts)] if len(counts) else [100]
        evaluator.evaluate()
    num_images, num_thresholds = len(evaluator.params.imgIds), len(evaluator.params.iouThrs)
    matches = []
    for start in range(0, len(evaluator.evalImgs), num_images):
        of_class = evaluator.evalImgs[start : start + num_images]
        num_objects = np.zeros(num_images, np.int64)
        parts = [(np.zeros(0, np.int64), np.zeros(0), *np.zeros((2, num_thresholds, 0), bool))]
        for image, one in enumerate(of_class):
            if one is None:
                continue
            num_objects[image] = np.count_nonzero(np.logical_not(one['gtIgnore']))
            scores, matched = np.asarray(one['dtScores']), one['dtMatches'] > 0
            counts_here = ~one['dtIgnore'].astype(bool)
            where = np.full(len(scores), image)
            parts.append((where, scores, matched & counts_here, ~matched & counts_here))
        where, scores, right, wrong = (
            np.concatenate(part, axis=-1) for part in zip(*parts, strict=True)
        )
        order = np.argsort(-scores, kind='stable')
        matches.append(ClassMatches(where[order], right[:, order], wrong[:, order], num_objects))
    return matches


def average_precision(matches: ClassMatches, weights: np.ndarray) -> np.ndarray:
    """COCO's AP of a class, with each image counted as often as its weight says.

    Args:
        matches: of the class.
        weights: ``(I,)``, of at least 0.

    Returns:
        ``(T,)`` float in [0, 1], NaN without objects.
    """
    num_thresholds = len(matches.is_right)
    num_objects = float(matches.num_objects @ weights)
    if not num_objects:
        return np.full(num_thresholds, np.nan)
    of_prediction = weights[matches.image]
    right = np.cumsum(matches.is_right * of_prediction, axis=1)
    wrong = np.cumsum(matches.is_wrong * of_prediction, axis=1)
    precision = right / np.maximum(right + wrong, np.spacing(1))
    precision = np.maximum.accumulate(precision[:, ::-1], axis=1)[:, ::-1]
    result = np.zeros(num_thresholds)
    for index, (recall, best) in enumerate(zip(right / num_objects, precision, strict=True)):
        reached = np.searchsorted(recall, RECALLS, side='left')
        result[index] = best[reached[reached < len(best)]].sum() / len(RECALLS)
    return result


def mean_ap(matches: Sequence[ClassMatches], weights: np.ndarray) -> np.ndarray:
    """AP, AP50 and AP75: means over the classes that have objects.

    Args:
        matches, weights: see :func:`average_precision`.

    Returns:
        ``(3,)`` float in [0, 1]; NaN without any object.
    """
    of_classes = np.array([average_precision(one, weights) for one in matches])
    of_classes = of_classes[~np.isnan(of_classes[:, 0])]
    if not len(of_classes):
        return np.full(len(NAMES), np.nan)
    by_threshold = of_classes.mean(axis=0)  # IoU 0.5, 0.55, ...
    return np.array([by_threshold.mean(), by_threshold[0], by_threshold[5]])


def drawn_weights(num_images: int, draws: int, seed: int) -> Iterator[np.ndarray]:
    """Yield how often each of the images is in each draw, ``(I,)`` float."""
    generator = np.random.default_rng(seed)
    for _ in range(draws):
        drawn = generator.integers(0, num_images, num_images)
        yield np.bincount(drawn, minlength=num_images).astype(float)


def compare_on_images(
    first: Sequence[ClassMatches],
    second: Sequence[ClassMatches],
    classes: Sequence[str],
    *,
    draws: int = 1000,
    seed: int = 0,
) -> Comparison:
    """Compare two models' matches on the same images.

    Args:
        first, second: see :func:`match_predictions`.
        classes: names.
        draws: of images, with replacement.
        seed: of the draws.
    """
    num_images = len(first[0].num_objects)
    as_it_is = np.ones(num_images)
    values = np.array([mean_ap(model, as_it_is) for model in (first, second)])
    drawn = np.array(
        [
            [mean_ap(model, weights) for model in (first, second)]
            for weights in drawn_weights(num_images, draws, seed)
        ]
    )  # (draws, 2, 3)
    gains = drawn[:, 1] - drawn[:, 0]
    per_class = {
        name: (average_precision(a, as_it_is).mean(), average_precision(b, as_it_is).mean())
        for name, a, b in zip(classes, first, second, strict=True)
    }
    return Comparison(
        first=_spreads(values[0], drawn[:, 0]),
        second=_spreads(values[1], drawn[:, 1]),
        gain=_spreads(values[1] - values[0], gains),
        share_better=float(np.mean(gains[:, 0] > 0)),
        per_class=per_class,
        num_images=num_images,
    )


def _spreads(values: np.ndarray, drawn: np.ndarray) -> dict[str, Spread]:
    low, high = np.nanquantile(drawn, [0.025, 0.975], axis=0)
    return {
        name: Spread(float(value), float(a), float(b))
        for name, value, a, b in zip(NAMES, values, low, high, strict=True)
    }
