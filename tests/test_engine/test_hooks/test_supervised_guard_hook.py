"""Pseudo-labels end where the teacher stays below a supervised run, interrupted or not."""

import json
from contextlib import suppress

import pytest
from interruption import Interrupt, Interruption
from mmengine.hooks import Hook

from mmpldc.engine.hooks import ResumeHook, SupervisedGuardHook

METRIC = 'teacher/toy/mean'
# By iteration. Burn-in has 3 steps; after it the run is below, above, below, below.
SCORES = [0.0, 0.0, 0.0, 0.3, 0.5, 0.3, 0.3, 0.9, 0.9, 0.0]
BASELINE = dict.fromkeys(range(1, 11), 0.4)
END = 7


class Scores(Hook):
    """Puts the scores in place of the computed metric, and notes the phase of each step."""

    priority = 'VERY_HIGH'

    def __init__(self) -> None:
        self.supervised = {}

    def before_train_iter(self, runner, batch_idx, data_batch=None):
        self.supervised[runner.iter] = runner.model.phases.is_supervised

    def after_val_epoch(self, runner, metrics=None):
        metrics[METRIC] = SCORES[runner.iter - 1]


@pytest.fixture
def baseline(tmp_path):
    """Write the log of a supervised run with these validations; returns its work directory."""

    def baseline(values=BASELINE):
        folder = tmp_path / 'baseline/20300101_000000/vis_data'
        folder.mkdir(parents=True, exist_ok=True)
        lines = [json.dumps({METRIC: value, 'step': step}) for step, value in values.items()]
        (folder / 'scalars.json').write_text('\n'.join(lines))
        return str(tmp_path / 'baseline')

    return baseline


@pytest.fixture
def train(make_runner, toy_pair, tmp_path):
    """Train for at most 10 steps with a burn-in of 3, and validate after each."""

    def train(*hooks, after=None, unsup_weight=1.0, work_dir=tmp_path / 'work_dir', **guard):
        scores = Scores()
        runner = make_runner(
            model=toy_pair(burn_in_iters=3, unsup_weight=unsup_weight),
            max_iters=len(SCORES),
            hooks=(*hooks, scores, ResumeHook(), SupervisedGuardHook(monitor=METRIC, **guard)),
            val_cfg=dict(type='mmpldc.TeacherStudentValLoop'),
            work_dir=work_dir,
            **(dict(load_from=str(after), resume=True) if after else {}),
        )
        with suppress(Interruption):
            runner.train()
        runner.unlabelled = [step for step, without in scores.supervised.items() if not without]
        return runner

    return train


@pytest.mark.parametrize(('patience', 'end'), [(1, 4), (2, END), (3, None), (None, None)])
def test_the_end(train, baseline, patience, end):
    runner = train(baseline=baseline(), patience=patience)
    assert runner.iter == len(SCORES)  # the run itself goes on
    assert runner.unlabelled == [*range(len(SCORES) if end is None else end)]
    assert runner.message_hub.get_info('supervised_guard')['ended_at'] == end


def test_only_iterations_that_both_validated_count(train, baseline):
    runner = train(baseline=baseline({1: 0.9, 4: 0.4, 7: 0.4}))
    assert runner.message_hub.get_info('supervised_guard')['ended_at'] == 7


def test_without_a_supervised_run_nothing_ends(train, tmp_path):
    assert train().message_hub.get_info('supervised_guard') is None
    runner = train(baseline=str(tmp_path / 'moved'))
    assert runner.unlabelled == [*range(len(SCORES))]


@pytest.mark.parametrize('kind', ['step', 'validation'])
@pytest.mark.parametrize('step', [2, 6, 7, 8])
def test_a_resumed_run_does_what_an_uninterrupted_one_does(train, baseline, kind, step, tmp_path):
    whole = train(baseline=baseline(), work_dir=tmp_path / 'whole')
    train(Interrupt(**{kind: step}), baseline=baseline())
    resumed = train(after=tmp_path / f'work_dir/iter_{step}.pth', baseline=baseline())
    states = [runner.message_hub.get_info('supervised_guard') for runner in (resumed, whole)]
    assert states[0] == states[1] and states[0]['ended_at'] == END
    assert resumed.unlabelled == [*range(step, END)]


def test_the_run_that_it_continues_is_the_baseline(train, tmp_path, monkeypatch):
    """A supervised run leaves its work directory in its checkpoints, which a later resume keeps."""
    supervised = train(unsup_weight=0.0, work_dir=tmp_path / 'supervised')
    assert supervised.unlabelled == []
    burn_in = tmp_path / 'supervised/iter_3.pth'
    # The supervised run's own log has its metric as it was computed, a small number.
    monkeypatch.setattr('test_supervised_guard_hook.SCORES', [9.0] * 10)
    assert train(after=burn_in).message_hub.get_info('supervised_guard')['below'] == 0
    monkeypatch.setattr('test_supervised_guard_hook.SCORES', [-9.0] * 10)
    train(Interrupt(step=4), after=burn_in)
    worse = train(after=tmp_path / 'work_dir/iter_4.pth')
    state = worse.message_hub.get_info('supervised_guard')
    assert state == dict(baseline=str(tmp_path / 'supervised'), below=2, ended_at=5)


def test_a_metric_that_is_missing_is_an_error(train, baseline, monkeypatch):
    monkeypatch.setattr(Scores, 'after_val_epoch', lambda *_, metrics=None: metrics.clear())
    with pytest.raises(RuntimeError, match=r'supervised_guard\.monitor'):
        train(baseline=baseline())


@pytest.mark.parametrize('patience', [0, -1])
def test_patience_is_positive(patience):
    with pytest.raises(ValueError, match=f'at least 1 validation, got {patience}'):
        SupervisedGuardHook(patience=patience)
