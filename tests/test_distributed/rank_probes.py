"""Hooks of the runs that the tests launch: what a rank sees, and faults on one rank."""

import time
from pathlib import Path

import torch
from mmengine.dist import get_rank
from mmengine.hooks import Hook
from mmengine.model import is_model_wrapper
from mmengine.registry import HOOKS


@HOOKS.register_module()
class RecordRank(Hook):
    """Write weights, log values, metrics and image ids of each rank to ``WORK_DIR/rank_N.pth``."""

    priority = 'VERY_LOW'

    def before_train(self, runner):
        self.images, self.logs, self.metrics = [], [], []
        processor = runner.log_processor
        log = processor.get_log_after_iter

        def recorded(runner, batch_idx, mode):
            tag, text = log(runner, batch_idx, mode)
            if mode == 'train':
                self.logs.append({name: float(value) for name, value in tag.items()})
            return tag, text

        processor.get_log_after_iter = recorded

    def before_train_iter(self, runner, batch_idx, data_batch=None):
        for name in 'sup_strong', 'unsup_strong':
            samples = data_batch['data_samples'][name]
            self.images += [(name, sample.img_id) for sample in samples if sample is not None]

    def after_val_epoch(self, runner, metrics=None):
        self.metrics.append(dict(metrics))

    def after_train(self, runner):
        model = runner.model.module if is_model_wrapper(runner.model) else runner.model
        record = dict(
            state=model.state_dict(),
            iter=runner.iter,
            logs=self.logs,
            metrics=self.metrics,
            images=self.images,
        )
        torch.save(record, Path(runner.work_dir) / f'rank_{get_rank()}.pth')


@HOOKS.register_module()
class FaultOnRank(Hook):
    """A rank raises at an iteration, or sleeps for ever, signals or not."""

    def __init__(self, *, rank: int, at_iter: int, hang: bool = False) -> None:
        self.rank, self.at_iter, self.hang = rank, at_iter, hang

    def before_train_iter(self, runner, batch_idx, data_batch=None):
        if runner.iter == self.at_iter and get_rank() == self.rank:
            if self.hang:
                time.sleep(1000)
            raise ValueError('broken on purpose')


@HOOKS.register_module()
class NoteTime(Hook):
    """Write when a step began to ``WORK_DIR/last_step.txt``."""

    priority = 'VERY_HIGH'

    def before_train_iter(self, runner, batch_idx, data_batch=None):
        (Path(runner.work_dir) / 'last_step.txt').write_text(str(time.time()))
