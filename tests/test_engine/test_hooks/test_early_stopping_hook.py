"""A run ends when validations after burn-in no longer improve, interrupted or not."""

from contextlib import suppress

import pytest
from interruption import Interrupt, Interruption
from mmengine.hooks import Hook

from mmpldc.engine.hooks import EarlyStoppingHook, ResumeHook

METRIC = 'teacher/toy/mean'
# By iteration. The best of burn-in (3 steps) is never reached again; 0.305 is not better enough.
SCORES = [0.9, 0.1, 0.1, 0.2, 0.1, 0.3, 0.2, 0.305, 0.25, 0.4, 0.1, 0.1]
STOP = 9  # with a patience of 3


class Scores(Hook):
    """Puts the scores in place of the metric that was computed."""

    priority = 'VERY_HIGH'

    def after_val_epoch(self, runner, metrics=None):
        metrics[METRIC] = SCORES[runner.iter - 1]


@pytest.fixture
def train(make_runner, toy_pair, tmp_path):
    """Train for at most 12 steps with a burn-in of 3, and validate after each."""

    def train(
        *hooks,
        patience=3,
        after=0,
        min_delta=0.01,
        interval=1,
        save_best=None,
        stopping_threshold=None,
        **options,
    ):
        if after:
            checkpoint = str(tmp_path / f'work_dir/iter_{after}.pth')
            options |= dict(load_from=checkpoint, resume=True)
        stop = EarlyStoppingHook(
            patience=patience,
            monitor=METRIC,
            min_delta=min_delta,
            stopping_threshold=stopping_threshold,
        )
        runner = make_runner(
            model=toy_pair(burn_in_iters=3),
            max_iters=len(SCORES),
            hooks=(*hooks, Scores(), ResumeHook(), stop),
            val_cfg=dict(type='mmpldc.TeacherStudentValLoop'),
            checkpoint=dict(interval=interval, save_best=save_best, rule='greater'),
            **options,
        )
        with suppress(Interruption):
            runner.train()
        return runner

    return train


@pytest.mark.parametrize(('patience', 'end'), [(1, 5), (2, 8), (3, STOP), (4, 12), (20, 12)])
def test_the_end(train, patience, end):
    runner = train(patience=patience)
    assert runner.iter == end and runner.recorder.validated_at == list(range(1, end + 1))
    hook = EarlyStoppingHook(patience=patience, min_delta=0.01)
    values = dict(enumerate(SCORES, start=1))
    stops = hook.replay(values, burn_in_iters=3)
    assert stops == (end if end < 12 else {4: None, 20: None}[patience])
    assert hook.replay(values, burn_in_iters=3) == stops  # it keeps nothing


def test_burn_in_neither_stops_nor_counts(train, monkeypatch):
    monkeypatch.setattr('test_early_stopping_hook.SCORES', [0.9, 0.8, 0.7, *[0.1] * 9])
    assert train(patience=1).iter == 5  # the first after burn-in is the best, the next no better


@pytest.mark.parametrize('save_best', [None, METRIC])
@pytest.mark.parametrize('step', [2, 4, 6, 8])
@pytest.mark.parametrize('kind', ['step', 'validation'])
def test_a_resumed_run_ends_where_an_uninterrupted_one_does(train, kind, step, save_best, tmp_path):
    expected = train(save_best=save_best, work_dir=tmp_path / 'whole')
    train(Interrupt(**{kind: step}), save_best=save_best)
    resumed = train(after=step, save_best=save_best)
    assert resumed.iter == expected.iter == STOP
    states = [runner.message_hub.get_info('early_stopping') for runner in (resumed, expected)]
    assert states[0] == states[1] == dict(best_score=0.3, wait_count=3)


def test_a_run_that_reached_its_threshold_stays_ended(train):
    assert train(stopping_threshold=0.25).iter == 6
    again = train(after=6, stopping_threshold=0.25)
    assert again.iter == 6 and again.recorder.validated_at == []
    assert train(after=6, stopping_threshold=0.9).iter > 6  # goes on


@pytest.mark.parametrize('interval', [1, 100])
def test_a_run_that_has_ended_stays_ended(train, interval, tmp_path):
    """And its last checkpoint was written, though none was due."""
    train(interval=interval)
    assert (tmp_path / 'work_dir/last_checkpoint').read_text().endswith(f'iter_{STOP}.pth')
    again = train(after=STOP, interval=interval)
    assert again.iter == STOP and again.recorder.validated_at == []
    assert train(after=STOP, patience=4, interval=interval).iter == len(SCORES)


def test_a_metric_that_is_missing_is_an_error(make_runner, toy_pair):
    runner = make_runner(
        model=toy_pair(),
        hooks=(EarlyStoppingHook(patience=1),),
        val_cfg=dict(type='mmpldc.TeacherStudentValLoop'),
    )
    with pytest.raises(RuntimeError, match='teacher/coco/segm_mAP'):
        runner.train()


@pytest.mark.filterwarnings('ignore:Skip early stopping')
def test_a_metric_that_is_missing_may_be_passed_over(make_runner, toy_pair):
    stop = EarlyStoppingHook(patience=1, monitor='teacher/coco/segm_mAP', strict=False)
    runner = make_runner(
        model=toy_pair(),
        max_iters=2,
        hooks=(stop,),
        val_cfg=dict(type='mmpldc.TeacherStudentValLoop'),
    )
    runner.train()
    assert runner.iter == 2


def test_only_validating(make_runner, toy_pair):
    runner = make_runner(
        model=toy_pair(),
        hooks=(EarlyStoppingHook(patience=1),),
        val_cfg=dict(type='mmpldc.TeacherStudentValLoop'),
    )
    assert runner.val()  # the metrics
    assert runner.message_hub.get_info('early_stopping') is None  # and no count begins


@pytest.mark.parametrize('patience', [0, -1])
def test_patience_is_positive(patience):
    with pytest.raises(ValueError, match=f'at least 1 validation, got {patience}'):
        EarlyStoppingHook(patience=patience)
