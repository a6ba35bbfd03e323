"""Time, memory and disk of a training, from what a few steps took: known numbers."""

from dataclasses import replace

import pytest

from mmpldc.engine.projection import (
    Measurements,
    Plan,
    checkpoint_bytes,
    checkpoints_on_disk,
    disk_bytes,
    duration,
    iteration_seconds,
    iters_within,
    phase_seconds,
    seconds_of,
    summary,
    validation_counts,
    validation_seconds,
)

PLAN = Plan(  # the paper's
    phases={'burn-in': 20_000, 'mutual learning': 348_750},
    validated=dict(teacher=1, student=4),
    val_interval=5000,
    val_begin=1,
    checkpoint_interval=5000,
    max_keep=2,
    best=1,
    log_interval=50,
)
MEASURED = Measurements(
    step_seconds=[1.0, 2.0],
    load_seconds=0.5,
    is_loaded_ahead=True,
    images=16,
    val_seconds=[0.25, 0.5],
    val_batches=1000,
    memory={'burn-in': 20 * 10**9, 'mutual learning': 30 * 10**9, 'validation': 31 * 10**9},
    total_memory=80 * 10**9,
    checkpoint=700_000_000,
    report=1000,
    logged_values=20,
    pseudo_labels=0.25,
)


def test_loading_hides_behind_the_step_only_with_workers():
    assert iteration_seconds(2, 0.5, is_loaded_ahead=True) == 2
    assert iteration_seconds(0.5, 2, is_loaded_ahead=True) == 2
    assert iteration_seconds(0.5, 2, is_loaded_ahead=False) == 2.5


def test_seconds_of_the_phases():
    expected = {'burn-in': 20_000, 'mutual learning': 697_500}
    assert phase_seconds(PLAN, MEASURED) == expected
    slow = replace(MEASURED, load_seconds=1.5)
    assert phase_seconds(PLAN, slow) == expected | {'burn-in': 30_000}
    alone = replace(MEASURED, is_loaded_ahead=False)
    assert phase_seconds(PLAN, alone)['burn-in'] == 30_000


@pytest.mark.parametrize(
    ('settings', 'teacher', 'student'),
    [
        (dict(), 74, 19),  # 73 times 5,000 iterations, and the end
        (dict(val_interval=368_750), 1, 1),
        (dict(val_interval=10**6), 1, 1),
        (dict(val_begin=300_000), 15, 5),  # 300,000 to 365,000, and the end
        (dict(phases=dict(training=20_000)), 4, 1),  # the end is a multiple
    ],
)
def test_validations_are_counted_as_the_loop_makes_them(settings, teacher, student):
    assert validation_counts(replace(PLAN, **settings)) == dict(teacher=teacher, student=student)


def test_seconds_of_validation():
    assert validation_seconds(PLAN, MEASURED) == 1000 * (74 * 0.25 + 19 * 0.5)
    without = replace(PLAN, validated={})
    assert validation_seconds(without, replace(MEASURED, val_seconds=[], val_batches=0)) == 0


def test_the_last_checkpoint_has_the_log_of_all_iterations():
    assert checkpoint_bytes(PLAN, MEASURED) == 700_000_000 + 16 * 20 * 368_750
    endless = replace(PLAN, phases=dict(training=10**8))
    assert checkpoint_bytes(endless, MEASURED) == 700_000_000 + 16 * 20 * 10**6
    assert checkpoint_bytes(PLAN, replace(MEASURED, checkpoint=0)) == 0


@pytest.mark.parametrize(
    ('settings', 'count'),
    [
        (dict(), 2 + 1 + 1),  # two, one being written, and the best
        (dict(max_keep=0), 74 + 1),
        (dict(max_keep=0, best=0), 74),
        (dict(max_keep=200), 74 + 1),
        (dict(checkpoint_interval=0), 1 + 1),
        (dict(best=3), 2 + 1 + 3),
    ],
)
def test_checkpoints_on_disk(settings, count):
    assert checkpoints_on_disk(replace(PLAN, **settings)) == count


def test_disk():
    assert disk_bytes(PLAN, MEASURED) == 4 * (700_000_000 + 16 * 20 * 368_750) + 7375 * 1000


@pytest.mark.parametrize(
    ('seconds', 'text'),
    [
        (0.25, '0.2 s'),
        (99, '99.0 s'),
        (100, '2 min'),
        (3599, '1 h 0 min'),
        (3600 * 23.5, '23 h 30 min'),
        (3600 * 25, '1 d 1 h'),
        (3600 * 24 * 9 - 1, '9 d 0 h'),
    ],
)
def test_duration(seconds, text):
    assert duration(seconds) == text


def test_summary():
    lines = summary(PLAN, MEASURED, free=10**11).splitlines()
    assert [line.split() for line in lines[:-1]] == [
        line.split()
        for line in (
            'burn-in 20000 iterations of 1 s 5 h 33 min',
            'mutual learning 348750 iterations of 2 s 8 d 2 h',
            'validate teacher 74 x 1000 batches of 0.25 s 5 h 8 min',
            'validate student 19 x 1000 batches of 0.5 s 2 h 38 min',
            'training in all 8 d 15 h',
            'data loading 32 images/s, 0.5 s an iteration of 16 during the steps',
            'peak memory burn-in 20.00 GB, mutual learning 30.00 GB, validation 31.00 GB '
            '31.00 GB of 80.0 GB',
            'disk 4 checkpoints of 0.82 GB, and the log 3.28 GB of 100.0 GB free',
        )
    ]
    assert '0.2 pseudo-labels per image' in lines[-1] and 'more labels need more' in lines[-1]


def test_summary_tells_what_is_wrong_with_loading():
    slow = summary(PLAN, replace(MEASURED, load_seconds=1.5), free=0)
    assert 'slower than the model: more train_dataloader.num_workers' in slow
    alone = summary(PLAN, replace(MEASURED, is_loaded_ahead=False), free=0)
    assert 'before each step: set train_dataloader.num_workers' in alone


def test_summary_without_accelerator_and_pseudo_labels():
    text = summary(PLAN, replace(MEASURED, total_memory=None, pseudo_labels=None), free=0)
    assert '31.00 GB\n' in text and 'pseudo-labels' not in text


@pytest.mark.parametrize(
    ('text', 'seconds'),
    [
        ('2h', 7200),
        ('1h30m', 5400),
        ('1h 30min', 5400),
        ('45min', 2700),
        ('90s', 90),
        ('1.5d', 129600),
    ],
)
def test_lengths_of_time(text, seconds):
    assert seconds_of(text) == seconds


@pytest.mark.parametrize('text', ['', 'soon', '2', '2 hours', '-1h', '0s', 'h2'])
def test_what_is_no_length_of_time(text):
    with pytest.raises(ValueError, match=r'2h|above 0'):
        seconds_of(text)


def test_steps_within_a_time():
    """The steps take nine tenths of the time, and what is left after validations."""
    measured = Measurements(
        step_seconds=[1.0, 3.0],
        load_seconds=0.5,
        is_loaded_ahead=False,
        images=8,
        val_seconds=[2.0],
        val_batches=10,
        memory={},
        total_memory=None,
        checkpoint=0,
        report=0,
        logged_values=0,
        pseudo_labels=None,
    )
    options = dict(burn_in_share=0.4, validations=5)
    steps = iters_within(10000, measured, most_burn_in=20000, **options)
    spent = steps * 1.5 + steps * 0.6 * 3.5 + 1.6 * 5 * 10 * 2
    assert 9000 - 3.6 <= spent <= 9000
    steps = iters_within(10000, measured, most_burn_in=100, **options)
    spent = steps * 1.5 + (steps - 100) * 3.5 + 2 * 5 * 10 * 2
    assert 9000 - 5 <= spent <= 9000
