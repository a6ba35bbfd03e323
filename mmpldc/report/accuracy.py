"""Tables of AP and of errors, with bootstrap intervals."""

import contextlib
import io
from collections import Counter
from collections.abc import Callable, Sequence
from functools import partial
from typing import NamedTuple

import numpy as np
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from mmpldc.evaluation.bootstrap import (
    SIZES,
    Interval,
    average_precisions,
    evaluate_images,
    interval,
    match_predictions,
    mean_ap,
    resample_images,
)
from mmpldc.evaluation.error_costs import ERROR_KINDS, error_costs, tabulate_errors

from .contents import Accuracy, AccuracyRow, Column, ErrorRow
from .inference import NETWORKS, Looked
from .run_folder import Run

SAMPLES = 500  # resamples of the images; an interval's ends move by some 0.1 points with the seed
SIZE_NAMES = {
    'small': 'small (below 32 x 32 pixels)',
    'medium': 'medium (to 96 x 96)',
    'large': 'large',
}
MEANINGS = {
    'category': 'Right place, wrong class.',
    'localisation': 'Right class, but the mask overlaps the object too little (IoU 0.1 to 0.5).',
    'both': 'Wrong class, and the mask overlaps the object too little.',
    'duplicate': 'A second prediction for an object that is found already.',
    'background': 'No object there.',
    'missed': 'An object that no prediction finds, not even with a wrong class or a bad mask.',
}
Pick = Callable[[np.ndarray], np.ndarray]


class Scored(NamedTuple):
    """AP of one network.

    Attributes:
        run: number of its run.
        network: ``'teacher'`` or ``'student'``.
        exact: ``(N, len(SIZES), T)`` on the images as they are.
        resampled: ``(B, N, len(SIZES), T)``.
    """

    run: int
    network: str
    exact: np.ndarray
    resampled: np.ndarray


def read_truth(ann_file: str) -> COCO:
    """Read a COCO-format file without pycocotools' messages."""
    with contextlib.redirect_stdout(io.StringIO()):
        return COCO(ann_file)


def most_predictions(looked: Sequence[Looked]) -> int:
    """Largest number of predictions for an image, at least COCO's 100: AP counts so many."""
    per_image = [
        max(Counter(one['image_id'] for one in predictions).values(), default=0)
        for of_run in looked
        for predictions in of_run.predictions.values()
    ]
    return max(100, *per_image)


def evaluate(predictions: Sequence[dict], truth: COCO, looked: Looked, max_dets: int) -> COCOeval:
    """Match predictions with the objects of a pass's classes and images."""
    return evaluate_images(
        truth,
        predictions,
        category_ids=looked.category_ids,
        image_ids=looked.image_ids,
        max_dets=max_dets,
    )


def score_networks(looked: Sequence[Looked], truth: COCO) -> list[Scored]:
    """Compute the AP of each network of each run, on the same resamples.

    Args:
        looked: of runs that were validated on the same images.
        truth: their annotations.
    """
    first = looked[0]
    weights = resample_images(len(first.image_ids), samples=SAMPLES)
    max_dets = most_predictions(looked)
    scored = []
    for number, of_run in enumerate(looked):
        for network, predictions in of_run.predictions.items():
            matches = match_predictions(evaluate(predictions, truth, first, max_dets))
            exact = average_precisions(matches)[0]
            scored.append(Scored(number, network, exact, average_precisions(matches, weights)))
    return scored


def accuracy_table(
    runs: Sequence[Run], scored: Sequence[Scored], truth: COCO, first: Looked
) -> Accuracy:
    """Lay out AP by class and size, with differences to the first supervised run.

    Args:
        runs, scored: see :func:`score_networks`.
        truth: annotations.
        first: one of the runs' passes, for classes and images.
    """
    pairs = _differences(runs, scored)
    several = len(runs) > 1
    columns = [
        Column(
            one.run, one.network, f'{runs[one.run].name}, {one.network}' if several else one.network
        )
        for one in scored
    ]
    columns += [
        Column(one.run, '', f'{runs[one.run].name} - {runs[base.run].name}', is_difference=True)
        for base, one in pairs
    ]

    def row(group: str, name: str, objects: int | None, pick: Pick) -> AccuracyRow:
        values = [_percent(pick(one.exact), pick(one.resampled)) for one in scored]
        values += [
            _percent(
                pick(one.exact) - pick(base.exact),
                pick(one.resampled) - pick(base.resampled),
                least=-1,
            )
            for base, one in pairs
        ]
        return AccuracyRow(group, name, objects, tuple(values))

    rows = [
        row('all', 'AP', None, _of_size),
        row('all', 'AP50', None, partial(_of_size, iou_thrs=slice(0, 1))),
        row('all', 'AP75', None, partial(_of_size, iou_thrs=slice(5, 6))),
    ]
    by_size, by_class = _count_objects(truth, first)
    for size, number in enumerate(by_size, 1):
        rows.append(row('size', SIZE_NAMES[SIZES[size]], number, partial(_of_size, size=size)))
    for label, category_id in enumerate(first.category_ids):
        name = str(truth.cats[category_id]['name'])
        rows.append(row('class', name, by_class[label], partial(_of_class, label=label)))
    return Accuracy(tuple(columns), tuple(rows), len(first.image_ids), SAMPLES)


def _of_size(precisions: np.ndarray, *, size: int = 0, iou_thrs: slice = slice(None)) -> np.ndarray:
    return mean_ap(precisions[..., iou_thrs])[..., size]


def _of_class(precisions: np.ndarray, *, label: int) -> np.ndarray:
    return precisions[..., label, 0, :].mean(axis=-1)


def _differences(runs: Sequence[Run], scored: Sequence[Scored]) -> list[tuple[Scored, Scored]]:
    """Teachers of runs with unlabelled images, each with that of the first supervised run."""
    teachers = [one for one in scored if one.network == NETWORKS[0]]
    bases = [one for one in teachers if runs[one.run].is_supervised]
    others = [one for one in teachers if not runs[one.run].is_supervised]
    return [(bases[0], one) for one in others] if bases else []


def _count_objects(truth: COCO, first: Looked) -> tuple[list[int], list[int]]:
    images, categories = set(first.image_ids), set(first.category_ids)
    objects = [
        one
        for one in truth.anns.values()
        if one['image_id'] in images
        and one['category_id'] in categories
        and not one.get('iscrowd')
        and not one.get('ignore')
    ]
    sizes = np.digitize([one['area'] for one in objects], (32**2, 96**2))
    labels = [one['category_id'] for one in objects]
    return (
        np.bincount(sizes, minlength=3).tolist(),
        [labels.count(category_id) for category_id in first.category_ids],
    )


def _percent(value: np.ndarray, resampled: np.ndarray, *, least: float = 0) -> Interval:
    """In percent, within the range that is possible."""
    found = interval(100 * float(value), 100 * resampled)
    low, high = np.clip(found[1:], 100 * least, 100)
    return Interval(found.value, float(low), float(high))


def error_rows(looked: Sequence[Looked], truth: COCO) -> tuple[ErrorRow, ...]:
    """Count the teachers' errors of each kind and what they cost in AP50."""
    first = looked[0]
    weights = resample_images(len(first.image_ids), samples=SAMPLES // 5)
    counts, costs, max_dets = [], [], most_predictions(looked)
    for of_run in looked:
        predictions = of_run.predictions[NETWORKS[0]]
        table = tabulate_errors(evaluate(predictions, truth, first, max_dets))
        counts.append(table.counts())
        exact, resampled = error_costs(table), error_costs(table, weights)
        costs.append({kind: _percent(exact[kind][0], resampled[kind]) for kind in ERROR_KINDS})
    return tuple(
        ErrorRow(
            kind,
            MEANINGS[kind],
            tuple(of_run[kind] for of_run in counts),
            tuple(of_run[kind] for of_run in costs),
        )
        for kind in MEANINGS
    )
