"""Who is validated when, and what the hooks and the model see of it."""

import pytest
import torch
from mmdet.registry import DATASETS

from mmpldc.engine.hooks import MeanTeacherHook

LOOP = 'mmpldc.TeacherStudentValLoop'
STEPS = 5
BATCHES = 3  # of a validation


@DATASETS.register_module(force=True)
class UnreachableTrainingData:
    def __init__(self):
        raise FileNotFoundError('the training images are on another machine')


@pytest.fixture
def validate(make_runner, toy_pair):
    """Train a pair, with a validation of both after every step."""

    def validate(*, predict_on='teacher', max_iters=STEPS, val_interval=1, student_interval=1):
        model = toy_pair(burn_in_iters=0, predict_on=predict_on)
        runner = make_runner(
            model=model,
            max_iters=max_iters,
            val_interval=val_interval,
            val_cfg=dict(type=LOOP, student_interval=student_interval),
            hooks=(MeanTeacherHook(keep_rate=0.5),),
        )
        runner.train()
        return runner

    return validate


@pytest.mark.parametrize(
    ('interval', 'student_at'), [(1, [1, 2, 3, 4, 5]), (2, [2, 4, 5]), (3, [3, 5]), (0, [])]
)
def test_student_is_validated_at_its_interval_and_at_the_end(validate, interval, student_at):
    runner = validate(student_interval=interval)
    recorder = runner.recorder
    assert recorder.validated_at == list(range(1, STEPS + 1))
    for iteration, metrics in zip(recorder.validated_at, recorder.metrics, strict=True):
        names = {'teacher/toy/mean'}
        if iteration in student_at:
            names.add('student/toy/mean')
        assert metrics.keys() == names, iteration


def test_interval_counts_validations_not_iterations(validate):
    runner = validate(student_interval=2, val_interval=2, max_iters=9)
    assert runner.recorder.validated_at == [2, 4, 6, 8, 9]
    assert [len(metrics) for metrics in runner.recorder.metrics] == [1, 2, 1, 2, 2]


def test_metrics_are_those_of_the_named_model(validate):
    runner = validate(max_iters=1)
    (metrics,) = runner.recorder.metrics
    points = torch.stack([item['inputs'] for item in runner.val_dataloader.dataset])
    for name in 'teacher', 'student':
        with torch.no_grad():
            expected = getattr(runner.model, name).eval()(points).mean().item()
        assert metrics[f'{name}/toy/mean'] == pytest.approx(expected, rel=1e-4)
    assert metrics['teacher/toy/mean'] != metrics['student/toy/mean']


def test_both_run_in_eval_mode_without_gradients(validate):
    runner = validate(max_iters=2)
    once = [('teacher', False, False)] * BATCHES + [('student', False, False)] * BATCHES
    assert runner.model.evaluated == once * 2


def test_hooks_see_one_validation(validate):
    """Else save_best would look for the teacher's metric in the student's."""
    recorder = validate(max_iters=2).recorder
    assert recorder.calls == ['before_val', 'after_val_epoch', 'after_val'] * 2


def test_metrics_are_returned(validate):
    runner = validate(max_iters=1)
    assert runner.val_loop.run() == runner.recorder.metrics[-1]


@pytest.mark.parametrize('predict_on', ['teacher', 'student'])
def test_configured_model_predicts_again_afterwards(validate, predict_on):
    runner = validate(max_iters=1, predict_on=predict_on)
    assert runner.model.semi_test_cfg['predict_on'] == predict_on
    assert len(runner.recorder.metrics[0]) == 2


def test_configured_model_predicts_again_after_an_error(validate, monkeypatch):
    runner = validate(max_iters=1)
    evaluated = []

    def fail_for_the_student(size):
        evaluated.append(size)
        if len(evaluated) == 2:
            raise KeyboardInterrupt
        return {}

    monkeypatch.setattr(runner.val_loop.evaluator, 'evaluate', fail_for_the_student)
    with pytest.raises(KeyboardInterrupt):
        runner.val_loop.run()
    assert runner.model.semi_test_cfg['predict_on'] == 'teacher'


def test_validation_alone_shows_both_and_needs_no_training_data(make_runner, toy_pair):
    runner = make_runner(
        model=toy_pair(),
        val_cfg=dict(type=LOOP, student_interval=2),
        train_dataset=dict(type='mmdet.UnreachableTrainingData'),
    )
    assert runner.val().keys() == {'teacher/toy/mean', 'student/toy/mean'}
