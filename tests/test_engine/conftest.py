"""A teacher and a student of four layers, and a real Runner that trains them in milliseconds."""

from itertools import count

import pytest
import torch
from mmengine.evaluator import BaseMetric, Evaluator
from mmengine.hooks import Hook
from mmengine.runner import Runner
from torch import nn

from mmpldc.models import TeacherStudent
from mmpldc.registry import MODELS

RUNS = count()


@MODELS.register_module(force=True)
class ToyNetwork(nn.Sequential):
    """Two numbers in, one out."""

    def __init__(self) -> None:
        super().__init__(nn.Linear(2, 4), nn.BatchNorm1d(4), nn.ReLU(), nn.Linear(4, 1))


class ToyPair(TeacherStudent):
    """The least that a task must bring."""

    num_classes = 1

    def __init__(self, burn_in_iters: int = 0, predict_on: str = 'teacher', **options) -> None:
        super().__init__(
            network=dict(type='mmpldc.ToyNetwork'),
            burn_in_iters=burn_in_iters,
            semi_test_cfg=dict(predict_on=predict_on),
            **options,
        )
        self.prepared = []  # classes
        self.positions = []
        self.evaluated = []  # (which one, training mode, gradients) for each batch

    def prepare_training(self, classes, class_counts, num_images) -> None:
        self.prepared.append(classes)

    def set_progress(self, step: int, max_steps: int) -> None:
        super().set_progress(step, max_steps)
        self.positions.append((step, max_steps))

    def network_forward(self, network, images):
        return network(images)

    def loss(self, batch_inputs, batch_data_samples):
        raise NotImplementedError

    def forward(self, inputs, mode='tensor'):
        inputs = torch.stack(list(inputs))
        if mode == 'loss':
            target = inputs.prod(dim=1, keepdim=True)
            return dict(loss=(self.student(inputs) - target).square().mean())
        name = self.semi_test_cfg['predict_on']
        model = getattr(self, name)
        self.evaluated.append((name, model.training, torch.is_grad_enabled()))
        return list(model(inputs))


class Points(list):
    """A data set of one class."""

    metainfo = dict(classes=('point',))


class MeanOutput(BaseMetric):
    """The mean prediction: tells teacher and student apart."""

    default_prefix = 'toy'

    def process(self, data_batch, data_samples):
        self.results.extend(sample.item() for sample in data_samples)

    def compute_metrics(self, results):
        return dict(mean=sum(results) / len(results))


class Recorder(Hook):
    """Copies of the weights before the first step, after each step, and at each validation."""

    priority = 'VERY_LOW'

    def __init__(self) -> None:
        self.weights, self.metrics, self.validated_at, self.calls = {}, [], [], []

    @staticmethod
    def copy(module: nn.Module) -> dict:
        return {name: tensor.clone() for name, tensor in module.state_dict().items()}

    def record(self, step: int, model: nn.Module) -> None:
        self.weights[step] = dict(
            student=self.copy(model.student),
            teacher=self.copy(model.teacher),
            is_set=bool(model.teacher_is_set),
        )

    def before_train(self, runner):
        self.record(runner.iter, runner.model)

    def after_train_iter(self, runner, batch_idx, data_batch=None, outputs=None):
        self.record(runner.iter + 1, runner.model)

    def before_val(self, runner):
        self.calls.append('before_val')

    def after_val_epoch(self, runner, metrics=None):
        self.calls.append('after_val_epoch')
        self.metrics.append(dict(metrics))
        # runner.iter builds the training loop, which plain validation must not need
        self.validated_at.append(getattr(runner._train_loop, 'iter', 0))

    def after_val(self, runner):
        self.calls.append('after_val')


@pytest.fixture
def make_runner(tmp_path, monkeypatch):
    """Build a Runner for a ``ToyPair``; ``runner.recorder`` has what happened."""
    monkeypatch.setattr('mmengine.device.utils.DEVICE', 'cpu')

    def make_runner(
        *,
        model: ToyPair,
        max_iters: int = 6,
        hooks: tuple = (),
        work_dir=tmp_path / 'work_dir',
        val_cfg: dict | None = None,
        val_interval: int = 1,
        checkpoint: dict | None = None,
        train_dataset: list | dict | None = None,
        train_loop: str = 'IterBasedTrainLoop',
        batch_size: int = 8,
        accumulative_counts: int = 1,
        **options,
    ) -> Runner:
        generator = torch.Generator().manual_seed(1)
        points = Points(dict(inputs=torch.randn(2, generator=generator)) for _ in range(32))
        loader = dict(batch_size=batch_size, num_workers=0, collate_fn=dict(type='pseudo_collate'))
        validation = {}
        if val_cfg is not None:
            validation = dict(
                val_dataloader=loader
                | dict(dataset=points[:20], sampler=dict(type='DefaultSampler')),
                val_evaluator=Evaluator([MeanOutput()]),
                val_cfg=val_cfg,
            )
        recorder = Recorder()
        torch.manual_seed(3)
        runner = Runner(
            model=model,
            work_dir=str(work_dir),
            train_dataloader=loader
            | dict(
                dataset=train_dataset or points, sampler=dict(type='InfiniteSampler', shuffle=True)
            ),
            train_cfg=dict(type=train_loop, max_iters=max_iters, val_interval=val_interval),
            optim_wrapper=dict(
                optimizer=dict(type='SGD', lr=0.1, momentum=0.9),
                accumulative_counts=accumulative_counts,
            ),
            custom_hooks=[*hooks, recorder],
            default_hooks=dict(
                logger=dict(type='LoggerHook', log_metric_by_epoch=False),
                checkpoint=dict(type='CheckpointHook', by_epoch=False, interval=1)
                | (checkpoint or {}),
            ),
            randomness=dict(seed=0),
            default_scope='mmdet',
            log_level='ERROR',
            experiment_name=f'toy_{next(RUNS)}',
            **validation,
            **options,
        )
        runner.recorder = recorder
        return runner

    return make_runner


@pytest.fixture
def toy_pair():
    """The model's class; two calls give different weights, for teacher and student too."""
    return ToyPair
