"""Validations that an interrupted run has missed, and checkpoints that continue no run."""

from contextlib import suppress
from types import SimpleNamespace

import pytest
import torch
from interruption import Interrupt, Interruption
from mmengine.config import Config
from mmengine.hooks import Hook

from mmpldc.engine.hooks import ResumeHook
from mmpldc.engine.hooks.resume_hook import CannotResume, _saved_section


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


class Falling(Hook):
    """Puts a metric in place that gets better with each validation."""

    priority = 'VERY_HIGH'

    def after_val_epoch(self, runner, metrics=None):
        metrics['teacher/toy/mean'] = -float(runner.iter)


def best_of(folder):
    return sorted(path.name[-10:] for path in folder.glob('best_*.pth'))


def test_the_best_checkpoint_of_another_run_stays(train, tmp_path):
    options = dict(save_best='teacher/toy/mean')
    train(Falling(), Interrupt(step=3), **options)
    train(Falling(), after=3, work_dir=tmp_path / 'other', **options)
    assert best_of(tmp_path / 'work_dir') == ['iter_2.pth']
    assert best_of(tmp_path / 'other') == ['iter_6.pth']


def test_that_of_a_moved_run_is_replaced(train, tmp_path):
    options = dict(save_best='teacher/toy/mean')
    train(Falling(), Interrupt(step=3), work_dir=tmp_path / 'before', **options)
    (tmp_path / 'before').rename(tmp_path / 'work_dir')
    train(Falling(), after=3, **options)
    assert best_of(tmp_path / 'work_dir') == ['iter_6.pth']


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


@pytest.mark.parametrize(
    ('ratios', 'now', 'batches', 'is_told'),
    [
        (([1, 1], [1, 1]), 2, None, False),
        (([1, 1], [1, 1]), 4, None, True),
        (([1, 1], [1, 1]), 2, 3, True),
        (([1, 1], [1, 1]), 1, 2, False),
        (([1], [1, 1]), 4, None, False),  # from a run on labels alone
        (([1], [1, 3]), 8, None, False),
        (([1], [1, 1]), 2, None, True),
        ((None, [1, 1]), 4, None, False),
    ],
)
def test_another_number_of_images_is_told(ratios, now, batches, is_told):
    old, new = ratios
    saved = Config(
        dict(train_dataloader=dict(batch_size=2, sampler=dict(batch_size=2, source_ratio=old)))
    )
    told = []
    runner = SimpleNamespace(
        cfg=Config(
            dict(
                train_dataloader=dict(batch_size=now, sampler=dict(source_ratio=new)),
                optim_wrapper=dict(accumulative_counts=batches) if batches else dict(),
            )
        ),
        hooks=[],
        logger=SimpleNamespace(warning=told.append),
        train_dataloader=SimpleNamespace(dataset=[]),
        _resume=True,
    )
    meta = dict(cfg=saved.pretty_text)
    ResumeHook().after_load_checkpoint(runner, dict(meta=meta, optimizer={}))
    assert len(told) == is_told
    images = '1 labelled images' if old == [1] else f'{now * (batches or 1)} images'
    assert not told or f'with {images} a step' in told[0]
    assert not told or 'before, it was 2' in told[0]


@pytest.mark.parametrize(
    'text', ['', 'print(', 'train_dataloader = 3', 'import os\nx = os.getcwd()']
)
def test_a_saved_config_is_read_not_executed(text):
    assert _saved_section(text, 'train_dataloader') == {}


def test_plain_values_of_a_saved_config_are_read():
    text = "a = dict(b=[1, dict(c='d')], e=os.remove('f'), g=dict(h=None))"
    assert _saved_section(text, 'a') == dict(b=[1, dict(c='d')], e=None, g=dict(h=None))
