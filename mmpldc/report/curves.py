"""Charts of a run's log and of the settings that change during it."""

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

from mmpldc.functional import cosine_weight
from mmpldc.schedules import build_schedule, value_at

from .contents import Panel, Series
from .run_folder import Run
from .stopping import early_stop

MAX_POINTS = 500  # of a curve; more are averaged
MAX_CLASSES = 12  # with a curve each; of more, only the range is shown
Points = dict[int, float]

COUNTS = {  # keys in the log, and the names of their curves
    'pseudo_per_image': 'kept',
    'pseudo_expected': 'objects expected',
    'pseudo_wanted': 'aimed at',
}
THRESHOLD = 'pseudo_threshold'  # of the score, by a threshold that sets itself
LOGGED: tuple[tuple[str, str, str, Callable[[str], bool]], ...] = (
    (
        'loss',
        'Total loss',
        'Averaged over the steps between two records of the log.',
        lambda key: key == 'loss',
    ),
    (
        'labelled',
        'Losses on labelled images',
        'Of the last layer.',
        lambda key: key.startswith('sup_') and 'loss' in key and 'aux' not in key,
    ),
    (
        'unlabelled',
        'Losses on pseudo-labels',
        'Of the last layer, multiplied by the weight of unlabelled images.',
        lambda key: key.startswith('unsup_') and 'loss' in key and 'aux' not in key,
    ),
    (
        'count',
        'Pseudo-labels an image',
        'Labels of the teacher that the student learns from. 0 means that it learns nothing from '
        'unlabelled images. A threshold that sets itself expects as many objects as labelled '
        'images have, and aims at a share of them.',
        lambda key: key in COUNTS,
    ),
    (
        'quality',
        'Quality of the pseudo-labels',
        "The teacher's own estimates, from 0 to 1; not a comparison with the truth.",
        lambda key: key.startswith('pseudo_') and key not in (*COUNTS, THRESHOLD),
    ),
    ('rate', 'Learning rate', '', lambda key: key == 'lr'),
    (
        'gradient',
        'Norm of the gradient',
        'Before clipping.',
        lambda key: key == 'grad_norm',
    ),
    ('time', 'Seconds a step', '', lambda key: key == 'time'),
)
ACCURACIES = {'coco/segm_mAP': 'AP', 'mIoU': 'mIoU'}
PREFIX = re.compile(r'^(sup|unsup)_(loss_)?|^pseudo_')  # of keys in the log; the title says it


def make_panels(runs: Sequence[Run]) -> tuple[Panel, ...]:
    """Chart the logs of runs; panels without any curve are left out."""
    panels = [_accuracies(runs)]
    for key, title, note, belongs in LOGGED:
        panels.append(_panel(key, title, note, runs, partial(_logged, belongs=belongs)))
    panels.insert(
        5,
        _panel(
            'thresholds',
            'Thresholds',
            'A candidate whose class or mask quality, or score, is lower becomes no pseudo-label.',
            runs,
            _thresholds,
        ),
    )
    panels.insert(
        6,
        _panel(
            'weights',
            'Weights that follow a schedule',
            'Of the losses on pseudo-labels, and of the refiner against the teacher.',
            runs,
            _weights,
        ),
    )
    return tuple(panel for panel in panels if panel.series)


def _panel(
    key: str,
    title: str,
    note: str,
    runs: Sequence[Run],
    find: Callable[[Run], dict[str, Points]],
) -> Panel:
    series = []
    for number, run in enumerate(runs):
        curves = {name: points for name, points in find(run).items() if points}
        for dash, (name, points) in enumerate(curves.items()):
            label = ' '.join(filter(None, (run.name * (len(runs) > 1 or not name), name)))
            series.append(Series(label, number, dash, thin(points)))
    return Panel(key, title, note, tuple(series))


def _accuracies(runs: Sequence[Run]) -> Panel:
    def find(run: Run) -> dict[str, Points]:
        curves = {}
        for network in ('teacher', 'student'):
            for key, title in ACCURACIES.items():
                scale = 1 if key == 'mIoU' else 100
                points = _points(run.records, f'{network}/{key}')
                curves[f'{network} {title}'] = {
                    step: scale * value for step, value in points.items() if value >= 0
                }
        return curves

    marks = []
    for number, run in enumerate(runs):
        for title in ACCURACIES.values():
            mark = early_stop(run, number, find(run)[f'teacher {title}'], title)
            marks += [mark] if mark is not None else []
    note = 'On the validation set, in percent, as logged during the run.'
    return replace(_panel('accuracy', 'Accuracy', note, runs, find), marks=tuple(marks))


def _logged(run: Run, belongs: Callable[[str], bool]) -> dict[str, Points]:
    training = [record for record in run.records if 'loss' in record]
    keys = dict.fromkeys(key for record in training for key in record if belongs(key))
    if len(keys) == 1:
        return {'': _points(training, next(iter(keys)))}
    return {
        COUNTS.get(key, PREFIX.sub('', key).replace('_', ' ')): _points(training, key)
        for key in keys
    }


def _points(records: Iterable[dict], key: str) -> Points:
    return {
        record['step']: float(record[key])
        for record in records
        if isinstance(record.get(key), int | float)
    }


def _steps(run: Run) -> list[int]:
    return [record['step'] for record in run.records if 'loss' in record]


def _scheduled(run: Run, value: Any) -> Points:
    """A number or a schedule at the logged iterations with pseudo-labels."""
    phases = run.phases
    if value is None or phases is None:
        return {}
    schedule = build_schedule(value)
    return {
        step: float(value_at(schedule, phases.progress(step, run.max_iters)))
        for step in _steps(run)
        if phases.uses_pseudo_labels(step)
    }


def _thresholds(run: Run) -> dict[str, Points]:
    model = run.cfg.get('model') or {}
    by_class = _class_thresholds(run)
    selector = model.get('pseudo_label_filter') or {}
    if by_class or run.is_supervised:
        return by_class
    own = _points(run.records, THRESHOLD)
    if own:
        return dict(score=own)
    names = dict(class_thr='class', mask_thr='mask', score_thr='score')
    return {title: _scheduled(run, selector.get(key)) for key, title in names.items()}


def _class_thresholds(run: Run) -> dict[str, Points]:
    """Thresholds of each class from the log; lowest and highest if the classes are many."""
    curves: dict[str, Points] = {}
    for kind, title in dict(class_thr='class', mask_thr='mask').items():
        keys = dict.fromkeys(
            key for record in run.records for key in record if key.startswith(f'{kind}/')
        )
        own = {key: _points(run.records, key) for key in keys}
        if len(own) <= MAX_CLASSES:
            curves |= {f'{title} {key.split("/", 1)[1]}': points for key, points in own.items()}
            continue
        steps = dict.fromkeys(step for points in own.values() for step in points)
        for name, choose in dict(lowest=min, highest=max).items():
            curves[f'{title}, {name}'] = {
                step: choose(points[step] for points in own.values() if step in points)
                for step in steps
            }
    return curves


def _weights(run: Run) -> dict[str, Points]:
    phases, model = run.phases, run.cfg.get('model') or {}
    if phases is None or run.is_supervised:
        return {}
    curves = {'losses on pseudo-labels': dict.fromkeys(_steps(run), 0.0)}
    curves['losses on pseudo-labels'] |= _scheduled(run, model.get('unsup_weight', 1.0))
    refiner = model.get('refiner')
    if refiner and str(refiner.get('type')).endswith('CLIPRefiner'):
        begin, end = refiner.get('begin'), refiner.get('end')
        curves['refiner'] = {
            step: cosine_weight(
                step,
                begin=phases.pseudo_label_start if begin is None else begin,
                end=run.max_iters if end is None else end,
                initial=refiner.get('initial_weight', 0.5),
                final=refiner.get('final_weight', 0.0),
            )
            for step in _steps(run)
            if phases.uses_pseudo_labels(step)
        }
    return curves


def thin(points: Points) -> Points:
    """Average neighbours of a curve until it has at most 500 points.

    Args:
        points: value by iteration, in ascending order.
    """
    steps, size = list(points), -(-len(points) // MAX_POINTS)
    if size <= 1:
        return points
    groups = [steps[start : start + size] for start in range(0, len(steps), size)]
    return {group[-1]: sum(points[step] for step in group) / len(group) for group in groups}
