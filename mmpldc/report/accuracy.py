"""Tables of AP and of errors with bootstrap intervals, and whether unlabelled images helped."""

import contextlib
import io
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from pycocotools.coco import COCO

from mmpldc.evaluation import (
    ERROR_KINDS,
    Interval,
    Matches,
    average_precisions,
    error_costs,
    interval,
    match_predictions,
    mean_ap,
    resample_images,
    tabulate_errors,
)
from mmpldc.evaluation.bootstrap import SIZES

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
ORDER = tuple(MEANINGS)


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


def score_networks(looked: Sequence[Looked], truth: COCO) -> list[Scored]:
    """Compute the AP of each network of each run, on the same resamples.

    Args:
        looked: of runs that were validated on the same images.
        truth: their annotations.
    """
    first = looked[0]
    weights = resample_images(len(first.image_ids), samples=SAMPLES)
    scored = []
    for number, of_run in enumerate(looked):
        for network, predictions in of_run.predictions.items():
            matches: Matches = match_predictions(
                truth,
                predictions,
                category_ids=first.category_ids,
                image_ids=first.image_ids,
            )
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

    def row(group: str, name: str, objects: int | None, pick) -> AccuracyRow:
        values = [_percent(pick(one.exact), pick(one.resampled)) for one in scored]
        values += [
            _percent(pick(one.exact) - pick(base.exact), pick(one.resampled) - pick(base.resampled))
            for base, one in pairs
        ]
        return AccuracyRow(group, name, objects, tuple(values))

    rows = [
        row('all', 'AP', None, lambda ap: mean_ap(ap)[..., 0]),
        row('all', 'AP50', None, lambda ap: mean_ap(ap[..., :1])[..., 0]),
        row('all', 'AP75', None, lambda ap: mean_ap(ap[..., 5:6])[..., 0]),
    ]
    by_size, by_class = _count_objects(truth, first)
    for size in range(1, len(SIZES)):
        name = SIZE_NAMES[SIZES[size]]
        rows.append(row('size', name, by_size[size - 1], lambda ap, at=size: mean_ap(ap)[..., at]))
    for label, category_id in enumerate(first.category_ids):
        name = truth.cats[category_id]['name']
        rows.append(
            row(
                'class', str(name), by_class[label], lambda ap, at=label: ap[..., at, 0, :].mean(-1)
            )
        )
    return Accuracy(tuple(columns), tuple(rows), len(first.image_ids), SAMPLES)


def _differences(runs: Sequence[Run], scored: Sequence[Scored]) -> list[tuple[Scored, Scored]]:
    """Teachers of runs with unlabelled images, each with that of the first supervised run."""
    teachers = [one for one in scored if one.network == NETWORKS[0]]
    bases = [one for one in teachers if runs[one.run].is_supervised]
    others = [one for one in teachers if not runs[one.run].is_supervised]
    return [(bases[0], one) for one in others] if bases else []


def _count_objects(truth: COCO, first: Looked) -> tuple[list[int], list[int]]:
    wanted = set(first.image_ids)
    objects = [
        one
        for one in truth.anns.values()
        if one['image_id'] in wanted and not one.get('iscrowd') and not one.get('ignore')
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
    counts, costs = [], []
    for of_run in looked:
        table = tabulate_errors(
            truth,
            of_run.predictions[NETWORKS[0]],
            category_ids=first.category_ids,
            image_ids=first.image_ids,
        )
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
        for kind in ORDER
    )


def verdict(runs: Sequence[Run], accuracy: Accuracy | None) -> tuple[str, tuple[str, ...]]:
    """Say the result in one sentence, and how it was found.

    Args:
        runs: of the report.
        accuracy: their table; None without one.
    """
    if accuracy is None:
        return _logged_verdict(runs), ('Read from the log; the images were not looked at.',)
    details = [
        f'AP of masks (COCO: mean over IoU 0.5 to 0.95) on {accuracy.num_images} validation '
        f'images. In brackets: 95 % interval over {accuracy.samples} resamples of these images. It '
        'does not cover the choice of the labelled images or the seed.'
    ]
    values = dict(zip(accuracy.columns, accuracy.rows[0].values, strict=True))
    sentences = []
    for column, value in values.items():
        if column.is_difference:
            base = next(number for number, run in enumerate(runs) if run.is_supervised)
            own, other = (
                next(
                    v.value for c, v in values.items() if c.run == run and c.network == NETWORKS[0]
                )
                for run in (column.run, base)
            )
            sentences.append(
                f'{_helped(value)} AP {own:.1f} ({runs[column.run].name}) against {other:.1f} '
                f'({runs[base].name}), {value.value:+.1f} points [{value.low:+.1f} to '
                f'{value.high:+.1f}].'
            )
    if sentences:
        return ' '.join(sentences), tuple(details)
    for column, value in values.items():
        if column.network == NETWORKS[0]:
            sentences.append(
                f'The teacher of {runs[column.run].name} reaches AP {value.value:.1f} '
                f'[{value.low:.1f} to {value.high:.1f}].'
            )
    if any(not run.is_supervised for run in runs):
        details.append(
            'Whether unlabelled images helped cannot be told from these runs: give the supervised '
            'run, too.'
        )
    return ' '.join(sentences), tuple(details)


def _helped(difference: Interval) -> str:
    if difference.low > 0:
        return 'Unlabelled images helped:'
    if difference.high < 0:
        return 'Unlabelled images did harm:'
    return 'No clear effect of unlabelled images:'


def _logged_verdict(runs: Sequence[Run]) -> str:
    """The last validation in the log."""
    sentences = []
    for run in runs:
        keys = ('teacher/coco/segm_mAP', 'teacher/mIoU')
        logged = [
            (record['step'], key, record[key])
            for record in run.records
            for key in keys
            if key in record
        ]
        if not logged:
            sentences.append(f'{run.name} has not been validated yet.')
            continue
        step, key, value = logged[-1]
        name, scale = ('mIoU', 1) if key.endswith('mIoU') else ('AP', 100)
        sentences.append(f'{run.name}: teacher {name} {scale * value:.1f} at iteration {step}.')
    return ' '.join(sentences)
