"""What the page is made of: work directories, curves, masks, reasons, choices and the verdict."""

import json
from types import SimpleNamespace

import cv2
import numpy as np
import pytest
from mmengine.config import Config
from PIL import Image

from mmpldc.evaluation.bootstrap import Interval
from mmpldc.evaluation.error_costs import CORRECT, ERROR_KINDS
from mmpldc.models.pseudo_labels import ExpectedCountThreshold
from mmpldc.report.accuracy import Scored, accuracy_table
from mmpldc.report.contents import Accuracy, AccuracyRow, Column
from mmpldc.report.curves import make_panels, thin
from mmpldc.report.galleries import choose, reason, right_share
from mmpldc.report.inference import evenly
from mmpldc.report.pictures import fitting_side, small_picture, trace
from mmpldc.report.run_folder import Run, open_runs
from mmpldc.report.settings import settings_section
from mmpldc.report.verdict import verdict

NAN = float('nan')


def a_run(name='pldc', *, records=(), **model):
    model = dict(burn_in_iters=200, unsup_weight=1.0) | model
    cfg = Config(dict(model=model, train_cfg=dict(max_iters=400), randomness=dict(seed=1)))
    return Run(name, None, cfg, None, list(records), {})


# ---- work directories


def write_run(folder, *, checkpoints=(), best=None, last=None):
    folder.mkdir(parents=True)
    (folder / 'config.py').write_text('model = dict(burn_in_iters=2, unsup_weight=0)\n')
    for step in checkpoints:
        (folder / f'iter_{step}.pth').touch()
    if best:
        (folder / best).touch()
    if last:
        (folder / 'last_checkpoint').write_text(f'/where/it/was/before/{last}')
    return folder


def test_names_are_the_shortest_that_differ(tmp_path):
    folders = [write_run(tmp_path / seed / name) for seed in 'ab' for name in ('pldc', 'other')]
    assert [run.name for run in open_runs(folders[:2])] == ['pldc', 'other']
    assert [run.name for run in open_runs([folders[0], folders[2]])] == ['a/pldc', 'b/pldc']


def test_checkpoints_of_a_moved_run(tmp_path):
    (tmp_path / 'empty').mkdir()
    folder = write_run(
        tmp_path / 'run', checkpoints=(9, 10), best='best_teacher_iter_9.pth', last='iter_9.pth'
    )
    assert open_runs([folder])[0].checkpoint == folder / 'iter_9.pth'
    assert open_runs([folder], which='best')[0].checkpoint == folder / 'best_teacher_iter_9.pth'
    (folder / 'last_checkpoint').unlink()
    assert open_runs([folder])[0].checkpoint == folder / 'iter_10.pth'
    assert open_runs([write_run(tmp_path / 'young')])[0].checkpoint is None
    with pytest.raises(SystemExit, match=r'empty: no config here'):
        open_runs([tmp_path / 'empty'])
    with pytest.raises(SystemExit, match='given twice'):
        open_runs([folder, folder])


def test_the_environment_comes_from_the_log(tmp_path):
    folder = write_run(tmp_path / 'run')
    (folder / '2026').mkdir()
    text = 'System environment:\n    Python: 3.11\n    PyTorch: 2.10\n    GCC: 12\n'
    (folder / '2026' / '2026.log').write_text(text)
    assert open_runs([folder])[0].environment == dict(Python='3.11', PyTorch='2.10')


# ---- curves


def test_panels():
    records = [
        dict(step=step, loss=3.0, sup_loss_cls=1.0, sup_aux_loss_cls=2.0, lr=0.1)
        | (dict(pseudo_per_image=2.5) if step > 200 else {})
        for step in (100, 200, 300, 400)
    ]
    records.append({'step': 200, 'teacher/coco/segm_mAP': 0.25, 'teacher/coco/segm_mAP_l': -1.0})
    ramp = dict(type='mmpldc.Ramp', start=0.0, end=1.0)
    first = a_run(
        'first',
        records=records,
        unsup_weight=ramp,
        pseudo_label_filter=dict(class_thr=0.7, mask_thr=0.8),
        refiner=dict(type='mmpldc.CLIPRefiner', begin=200),
    )
    panels = {panel.key: panel for panel in make_panels([first, a_run('empty')])}
    points = {
        key: {series.name: dict(series.points) for series in panel.series}
        for key, panel in panels.items()
    }
    assert points['accuracy'] == {'first teacher AP': {200: 25.0}}
    assert points['loss'] == {'first': dict.fromkeys((100, 200, 300, 400), 3.0)}
    assert points['labelled'] == {'first': dict.fromkeys((100, 200, 300, 400), 1.0)}
    assert points['count'] == {'first': {300: 2.5, 400: 2.5}}
    assert points['thresholds'] == {
        'first class': dict.fromkeys((200, 300, 400), 0.7),
        'first mask': dict.fromkeys((200, 300, 400), 0.8),
    }
    weights = points['weights']['first losses on pseudo-labels']
    assert weights == pytest.approx({100: 0, 200: 0, 300: 0.5, 400: 1})
    assert points['weights']['first refiner'] == pytest.approx({200: 0.5, 300: 0.25, 400: 0})
    assert set(panels) == {
        'accuracy',
        'loss',
        'labelled',
        'count',
        'thresholds',
        'weights',
        'rate',
    }


def test_a_threshold_that_sets_itself():
    """What it logs is a threshold and counts, no quality of labels."""
    logged = ExpectedCountThreshold(num_classes=2, share=0.5).statistics().keys()
    values = dict.fromkeys(logged, 0.6) | dict(pseudo_per_image=0.9, pseudo_class_quality=0.95)
    (run,) = [a_run(records=[dict(step=300, loss=1.0, **values)])]
    panels = {panel.key: {one.name for one in panel.series} for panel in make_panels([run])}
    assert panels['count'] == {'kept', 'objects expected', 'aimed at'}
    assert panels['thresholds'] == {'score'}
    assert panels['quality'] == {run.name}


def test_thresholds_of_few_and_of_many_classes():
    def names(number):
        records = [
            {'step': step, **{f'class_thr/{k}': 0.1 * k + step for k in range(number)}}
            for step in (1, 2)
        ]
        (panel,) = make_panels([a_run(records=records)])
        return {series.name: series.points for series in panel.series}

    assert set(names(3)) == {f'class {k}' for k in range(3)}
    assert names(20) == {
        'class, lowest': {1: 1.0, 2: 2.0},
        'class, highest': pytest.approx({1: 2.9, 2: 3.9}),
    }


def test_long_curves_are_averaged():
    points = {step: float(step) for step in range(1, 1201)}
    short = thin(points)
    assert len(short) == 400
    assert list(short.items())[:2] == [(3, 2.0), (6, 5.0)]
    assert thin({1: 2.0}) == {1: 2.0}


# ---- pictures


def filled(path, size):
    """What an SVG path with integer corners covers, by the even-odd rule."""
    canvas = np.zeros(size[::-1], np.uint8)
    polygons = [
        np.array([corner.split() for corner in part.rstrip('Z').split('L')], int)
        for part in path.split('M')[1:]
    ]
    cv2.fillPoly(canvas, polygons, 1)  # even-odd
    return canvas.astype(bool)


def test_outlines_follow_masks_and_their_holes():
    rows, columns = np.mgrid[:200, :300]
    distance = np.hypot(rows - 100, columns - 150)
    mask = (distance < 80) & (distance > 40) | (rows < 30) & (columns < 40)
    path, x, y = trace(mask, (300, 200))
    cover = filled(path, (300, 200))
    assert (cover & mask).sum() / (cover | mask).sum() > 0.97
    assert not cover[100, 150]
    assert (x, y) == (0, 0)
    half = filled(trace(mask, (150, 100))[0], (150, 100))
    assert (half & mask[::2, ::2]).sum() / (half | mask[::2, ::2]).sum() > 0.94
    assert trace(np.zeros((20, 20), bool), (20, 20)) == ('', 0, 0)
    dot = np.zeros((20, 20), bool)
    dot[5, 6] = True
    assert trace(dot, (20, 20)) == ('M6 5L7 5L7 6L6 6Z', 6, 5)


def test_small_pictures(tmp_path, monkeypatch):
    generator = np.random.default_rng(0)
    sizes = dict(large=(900, 1200), tiny=(48, 64))
    for name, size in sizes.items():
        pixels = generator.integers(0, 255, (*size, 3), np.uint8)
        Image.fromarray(pixels).save(tmp_path / f'{name}.png')
    text, width, height = small_picture(tmp_path / 'large.png', 400)
    assert (width, height) == (400, 300)
    assert text.startswith('data:image/webp;base64,')
    assert small_picture(tmp_path / 'tiny.png', 400)[1:] == (320, 240)
    monkeypatch.setattr(Image, 'MAX_IMAGE_PIXELS', 10_000)  # the photo is a hundred times as large
    assert small_picture(tmp_path / 'large.png', 400)[1:] == (400, 300)
    paths = [tmp_path / 'large.png'] * 20
    assert fitting_side(paths, 10**8) == 448
    side = fitting_side(paths, 20 * len(text) // 2)
    assert 160 <= side < 400
    assert len(small_picture(paths[0], side)[0]) <= len(text) // 2 or side == 160
    assert fitting_side([tmp_path / 'missing.png'], 0) == 448


# ---- galleries


def test_the_worst_pictures_come_first():
    table = SimpleNamespace(
        num_images=4,
        image=np.array([0, 0, 1, 1, 3]),
        kind=np.array([CORRECT, CORRECT, CORRECT, ERROR_KINDS.index('background'), 0]),
        object_image=np.array([0, 0, 1, 3]),
        found=np.array([True, True, True, False]),
    )
    shares = right_share(table)
    assert shares.tolist() == [1, 0.5, 1, 0]
    assert choose(shares, 10) == [3, 1, 0, 2]
    many = np.arange(100)[::-1] / 100
    chosen = choose(many, 10)
    assert chosen[:5] == [99, 98, 97, 96, 95]
    assert len(chosen) == 10
    assert chosen[-1] == 0
    assert evenly(5, None) == evenly(5, 9) == [0, 1, 2, 3, 4]
    assert evenly(100, 3) == [0, 50, 99]
    assert evenly(100, 0) == []


@pytest.mark.parametrize(
    ('label', 'expected'),
    [
        (dict(reason='kept'), 'kept (class 0.50, mask 0.60)'),
        (
            dict(reason='kept', teacher_label=1),
            'kept (class 0.50, mask 0.60), corrected from dog',
        ),
        (
            dict(reason='class'),
            'class quality 0.50 below 0.70, mask quality 0.60 below 0.80',
        ),
        (dict(reason='mask'), 'mask quality 0.60 below 0.80'),
        (dict(reason='score'), 'score 0.30 below 0.90'),
        (dict(reason='area'), 'too small (class 0.50, mask 0.60)'),
        (dict(reason='duplicate'), 'duplicate of a better one (class 0.50, mask 0.60)'),
    ],
)
def test_reasons_in_words(label, expected):
    thresholds = {'class': 0.7, 'mask': 0.8, 'score': 0.9}
    qualities = dict(class_quality=0.5, mask_quality=0.6, score=0.3)
    label = dict(label=0, teacher_label=0, thresholds=thresholds, **qualities) | label
    assert reason(label, ['cat', 'dog']) == expected


# ---- verdict and settings


def accuracy_of(*values, difference=None):
    columns = [Column(run, 'teacher', '') for run in range(len(values))]
    if difference:
        columns.append(Column(1, '', '', is_difference=True))
        values = (*values, difference)
    row = AccuracyRow('all', 'AP', None, tuple(Interval(*value) for value in values))
    return Accuracy(tuple(columns), (row,), 50, 500)


@pytest.mark.parametrize(
    ('difference', 'expected'),
    [
        ((3, 1, 5), 'Unlabelled images helped: AP 33.0 (pldc) against 30.0 (base), +3.0 points'),
        ((-3, -5, -1), 'Unlabelled images did harm: AP 33.0'),
        ((1, -2, 3), 'No clear effect of unlabelled images: AP 33.0'),
    ],
)
def test_verdict_beside_a_supervised_run(difference, expected):
    runs = [a_run('base', unsup_weight=0.0), a_run('pldc')]
    assert [run.is_supervised for run in runs] == [True, False]
    accuracy = accuracy_of((30, 20, 40), (33, 25, 45), difference=difference)
    assert verdict(runs, accuracy)[0].startswith(expected)


def test_verdict_of_one_run():
    sentence, details = verdict([a_run()], accuracy_of((30, 20, 40)))
    assert sentence == 'The teacher of pldc reaches AP 30.0 [20.0 to 40.0].'
    assert 'give the supervised run' in details[-1]
    assert 'no objects' in verdict([a_run()], accuracy_of((NAN, NAN, NAN)))[0]
    records = [{'step': 9, 'teacher/coco/segm_mAP': 0.5}]
    logged, _ = verdict([a_run(records=records), a_run('young')], None)
    assert logged == 'pldc: teacher AP 50.0 at iteration 9. young has not been validated yet.'


def test_differences_may_be_negative():
    generator = np.random.default_rng(0)

    def scored(run, level):
        resampled = np.full((200, 1, 4, 10), level) + generator.normal(0, 0.01, (200, 1, 1, 1))
        return Scored(run, 'teacher', np.full((1, 4, 10), level), resampled)

    truth = SimpleNamespace(
        cats={7: dict(name='cat')},
        anns={
            1: dict(image_id=1, category_id=7, area=2000),
            2: dict(image_id=2, category_id=7, area=5, iscrowd=1),
            3: dict(image_id=2, category_id=8, area=5),  # of a class that is not trained
        },
    )
    first = SimpleNamespace(image_ids=[1, 2], category_ids=[7])
    runs = [a_run('base', unsup_weight=0.0), a_run('pldc')]
    table = accuracy_table(runs, [scored(0, 0.5), scored(1, 0.3)], truth, first)
    assert [row.objects for row in table.rows] == [None, None, None, 0, 1, 0, 1]
    assert [row.name for row in table.rows][-1] == 'cat'
    base, own, difference = table.rows[0].values
    assert (base.value, own.value) == pytest.approx((50, 30))
    assert difference.value == pytest.approx(-20)
    assert -26 < difference.low < difference.high < -14
    assert verdict(runs, table)[0].startswith('Unlabelled images did harm: AP 30.0 (pldc)')


def test_settings_that_differ():
    runs = [a_run('a', unsup_weight=0.0), a_run('b')]
    section = settings_section(runs)
    assert section.differences.rows == (('model.unsup_weight', '0.0', '1.0'),)
    assert ('iterations', '400', '400') in section.main.rows
    assert settings_section(runs[:1]).differences is None
    json.dumps(section.configs)


# ---------------------------------------------------------------- early stopping


SCORES = (0.4, 0.1, 0.2, 0.3, 0.3, 0.3, 0.3005, 0.31)  # the first two are of burn-in


def stopping(hook=None, burn_in_iters=200, scores=SCORES, max_iters=800):
    records = [
        {'step': 100 * number, 'teacher/coco/segm_mAP': score}
        for number, score in enumerate(scores, start=1)
    ]
    run = a_run(records=records)
    run.cfg.model = dict(type='mmpldc.SemiMask2Former', burn_in_iters=burn_in_iters)
    run.cfg.train_cfg.max_iters = max_iters
    run.cfg.default_hooks = dict(early_stopping=hook) if hook else {}
    panels = {panel.key: panel for panel in make_panels([run])}
    return panels['accuracy'].marks


def test_the_report_marks_where_a_run_would_have_stopped():
    (mark,) = stopping()
    assert (mark.step, mark.run) == (700, 0)
    assert 'would have ended' in mark.text and '700' in mark.text
    assert '40.0 at best instead of 40.0' in mark.text  # the best of burn-in is a checkpoint, too
    assert stopping(scores=(0.1, 0.2, 0.3, 0.4, 0.5, 0.5)) == ()
    assert stopping(max_iters=700) == ()  # it would have ended anyway


def test_the_report_marks_where_a_run_has_stopped():
    hook = dict(type='mmpldc.EarlyStoppingHook', patience=2)
    (mark,) = stopping(hook, scores=(0.4, 0.1, 0.2, 0.3, 0.3, 0.3))
    assert mark.step == 600 and 'Early stopping ended' in mark.text
