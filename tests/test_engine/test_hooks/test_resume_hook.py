"""Validations that an interrupted run has missed, and checkpoints that continue no run."""

from contextlib import suppress
from types import SimpleNamespace

import pytest
import torch
from interruption import Interrupt, Interruption
from mmengine.config import Config
from mmengine.hooks import Hook

from mmpldc.engine.hooks import ResumeHook
from mmpldc.engine.hooks.resume_hook import CannotResume, _saved_setting


@pytest.fixture
def train(make_runner, toy_pair, tmp_path):
    """Train for six steps, validating every second one, and return where that was done."""

    def train(*hooks, after=0, save_best=None, hook=True, **options):
        if after:
            checkpoint = str(tmp_path / f'work_dir/iter_{after}.pth')
            options |= dict(load_from=checkpoint, resume=True)
        runner = make_runner(
            model=toy_pair(),
            hooks=(*hooks, ResumeHook()) if hook else hooks,
            val_cfg=dict(type='mmpldc.TeacherStudentValLoop', student_interval=0),
            val_interval=2,
            checkpoint=dict(save_best=save_best, rule='less'),
            **options,
        )
        with suppress(Interruption):
            runner.train()
        return runner.recorder.validated_at

    return train


def test_an_uninterrupted_run_is_not_changed(train):
    assert train() == train(hook=False) == [2, 4, 6]


@pytest.mark.parametrize('interrupt', [Interrupt(step=4), Interrupt(validation=4)])
def test_the_interrupted_validation_comes_first(train, interrupt):
    assert train(interrupt) == [2]
    assert train(after=4) == [4, 6]


def test_the_last_one_too(train):
    assert train(Interrupt(validation=6)) == [2, 4]
    assert train(after=6) == [6]
    assert train(after=6, hook=False) == []


def test_other_iterations_need_none(train):
    assert train(Interrupt(step=3)) == [2]
    assert train(after=3) == [4, 6]


def test_not_before_validations_begin(train):
    class Begin(Hook):
        def before_train(self, runner):
            runner.train_loop.val_begin = 5

    train()
    assert train(Begin(), after=4) == [6]


def test_a_new_best_was_saved_after_its_validation(train):
    """Metrics are the mean output of a network that learns little: the first is the best so far."""
    assert train(Interrupt(step=3), save_best='teacher/toy/mean') == [2]
    assert train(after=2, save_best='teacher/toy/mean') == [4, 6]


def test_without_validation(make_runner, toy_pair):
    runner = make_runner(model=toy_pair(), hooks=(ResumeHook(),))
    runner.train()
    assert runner.iter == runner.max_iters


def test_only_validating(make_runner, toy_pair):
    runner = make_runner(
        model=toy_pair(),
        hooks=(ResumeHook(),),
        val_cfg=dict(type='mmpldc.TeacherStudentValLoop'),
    )
    runner.val()
    assert not hasattr(runner._train_loop, 'iter')  # it was not built


def test_a_checkpoint_without_an_optimiser_continues_nothing(make_runner, toy_pair, tmp_path):
    make_runner(model=toy_pair(), max_iters=1, checkpoint=dict(save_optimizer=False)).train()
    path = str(tmp_path / 'work_dir/iter_1.pth')
    options = dict(model=toy_pair(), hooks=(ResumeHook(),), max_iters=2, load_from=path)
    with pytest.raises(ValueError, match=r'iter_1\.pth cannot be resumed: it has no opt'):
        make_runner(resume=True, **options).train()
    make_runner(resume=False, **options).train()


def test_a_checkpoint_of_other_classes_continues_nothing(make_runner, toy_pair, tmp_path):
    class Two(list):
        metainfo = dict(classes=('line', 'point'))

    make_runner(model=toy_pair(), max_iters=1).train()
    path = str(tmp_path / 'work_dir/iter_1.pth')
    options = dict(model=toy_pair(), hooks=(ResumeHook(),), max_iters=2, load_from=path)
    two = Two(dict(inputs=torch.zeros(2)) for _ in range(32))
    words = r"was trained on 1 classes, \('point',\), and this run has 2, .* difference is line"
    with pytest.raises(CannotResume, match=words):
        make_runner(resume=True, train_dataset=two, **options).train()
    make_runner(resume=False, train_dataset=two, **options).train()


@pytest.mark.parametrize(('now', 'is_told'), [(2, False), (4, True)])
def test_another_batch_size_is_told(now, is_told):
    saved = Config(dict(train_dataloader=dict(batch_size=2, sampler=dict(batch_size=2))))
    told = []
    runner = SimpleNamespace(
        cfg=Config(dict(train_dataloader=dict(batch_size=now))),
        logger=SimpleNamespace(warning=told.append),
        train_dataloader=SimpleNamespace(dataset=[]),
        _resume=True,
    )
    meta = dict(cfg=saved.pretty_text)
    ResumeHook().after_load_checkpoint(runner, dict(meta=meta, optimizer={}))
    assert len(told) == is_told
    assert not told or 'train_dataloader.batch_size=4; before, it was 2' in told[0]


@pytest.mark.parametrize(
    'text', ['', 'print(', 'train_dataloader = 3', 'import os\nx = os.getcwd()']
)
def test_a_saved_config_is_read_not_executed(text):
    assert _saved_setting(text, 'train_dataloader', 'batch_size') is None
