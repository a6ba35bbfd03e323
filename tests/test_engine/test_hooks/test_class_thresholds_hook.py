"""Adaptive thresholds in the log, at each validation."""

from types import SimpleNamespace

import pytest
import torch
from mmdet.registry import DATASETS
from mmengine.dataset import pseudo_collate
from mmengine.registry import HOOKS, MODEL_WRAPPERS
from torch import nn
from torch.utils.data import DataLoader

from mmpldc.engine.hooks import ClassThresholdsLogHook
from mmpldc.models import ClassAwareThresholds

CLASSES = ('cat', 'traffic light')


@MODEL_WRAPPERS.register_module(force=True)
class ThresholdsWrapper(nn.Module):
    """Stands in for MMDistributedDataParallel."""

    def __init__(self, module):
        super().__init__()
        self.module = module


@DATASETS.register_module(force=True)
class ThresholdsAwayFromTheirData:
    def __init__(self):
        raise FileNotFoundError('the training images are on another machine')


class Points(list):
    """A data set as the toy Runner takes it, which knows its classes."""

    metainfo = dict(classes=CLASSES)


class Log:
    """Logger and visualizer at once."""

    def __init__(self):
        self.lines, self.scalars = [], []

    def info(self, text):
        self.lines += text.splitlines()

    def add_scalars(self, values, step):
        self.scalars.append((values, step))


def with_thresholds(model):
    model.class_thresholds = ClassAwareThresholds(
        num_classes=2, class_range=(0.25, 0.75), mask_range=(0.5, 1.0)
    )
    model.class_thresholds.start(torch.tensor([3, 1]))
    current = model.class_thresholds.current()
    model.thresholds_by_class = lambda: dict(class_thr=current.class_thr, mask_thr=current.mask_thr)
    return model


SCALARS = {
    'class_thr/cat': 0.625,
    'class_thr/traffic light': 0.375,
    'mask_thr/cat': 0.875,
    'mask_thr/traffic light': 0.625,
}


@pytest.mark.parametrize('wrap', [lambda model: model, ThresholdsWrapper], ids=['plain', 'wrapped'])
def test_table_and_scalars(toy_pair, wrap):
    log = Log()
    runner = SimpleNamespace(
        model=wrap(with_thresholds(toy_pair())),
        val_dataloader=SimpleNamespace(dataset=Points()),
        logger=log,
        visualizer=log,
        iter=7,
        _train_loop=SimpleNamespace(iter=7),
    )
    ClassThresholdsLogHook().after_val_epoch(runner, metrics={})
    assert log.lines[1:] == ['cat: 0.625 0.875', 'traffic light: 0.375 0.625']
    ((scalars, step),) = log.scalars
    assert scalars == pytest.approx(SCALARS) and step == 7


def test_without_thresholds_nothing_is_logged(toy_pair):
    log = Log()
    for model in (toy_pair(), nn.Linear(2, 1)):  # without any, and of another framework
        ClassThresholdsLogHook().after_val_epoch(
            SimpleNamespace(model=model, logger=log, visualizer=log)
        )
    assert not log.lines and not log.scalars


def test_built_from_the_registry():
    assert isinstance(
        HOOKS.build(dict(type='mmpldc.ClassThresholdsLogHook')), ClassThresholdsLogHook
    )


@pytest.fixture
def make_validating_runner(make_runner, toy_pair, monkeypatch):
    """A real Runner with the hook, and the log of thresholds that it fills."""

    def make_validating_runner(**options):
        runner = make_runner(
            model=with_thresholds(toy_pair()),
            hooks=(ClassThresholdsLogHook(),),
            val_cfg=dict(type='mmpldc.TeacherStudentValLoop'),
            **options,
        )
        points = Points(runner.val_dataloader.dataset)
        runner.val_loop.dataloader = DataLoader(points, batch_size=8, collate_fn=pseudo_collate)
        log = Log()
        original = runner.visualizer.add_scalars

        def add_scalars(values, step=0, **kwargs):
            if any('_thr/' in name for name in values):
                log.add_scalars(dict(values), step)
            original(values, step=step, **kwargs)

        monkeypatch.setattr(runner.visualizer, 'add_scalars', add_scalars)
        monkeypatch.setattr(runner.logger, 'info', lambda text, *_: log.info(str(text)))
        return runner, log

    return make_validating_runner


def test_logged_at_each_validation(make_validating_runner):
    runner, log = make_validating_runner(max_iters=4, val_interval=2)
    runner.train()
    assert [step for _, step in log.scalars] == [2, 4]
    assert all(scalars == pytest.approx(SCALARS) for scalars, _ in log.scalars)
    assert log.lines.count('cat: 0.625 0.875') == 2


def test_plain_validation_needs_no_training_data(make_validating_runner):
    runner, log = make_validating_runner(train_dataset=dict(type='ThresholdsAwayFromTheirData'))
    runner.val()
    ((scalars, step),) = log.scalars
    assert scalars == pytest.approx(SCALARS) and step == 0
