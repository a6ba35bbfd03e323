"""Measure a few steps and report the time, memory and disk space that the run will need."""

import resource
import shutil
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from itertools import islice
from math import ceil
from pathlib import Path
from typing import Any

import torch
from mmengine.dist import all_gather_object, get_world_size, is_main_process
from mmengine.hooks import CheckpointHook, Hook
from mmengine.runner import Runner
from torch.utils.data import DataLoader

from mmpldc.engine.projection import GB, Measurements, Plan, disk_bytes, summary
from mmpldc.engine.runner import accumulative_counts
from mmpldc.registry import HOOKS
from mmpldc.utils.files import write_json


@HOOKS.register_module()
class DryRunHook(Hook):
    """Stop after a few steps of each phase and print what the full run will need.

    :func:`mmpldc.engine.dry_run.dry_run_config` adds this hook.

    Args:
        plan: attributes of a :class:`~mmpldc.engine.projection.Plan` of the full run.
        steps: iterations to run in each phase; the first of each is not measured.
        out: file for the :class:`~mmpldc.engine.projection.Measurements`, json; None writes none.
    """

    priority = 85  # measured steps include the teacher update and the log, not the checkpoint

    def __init__(self, *, plan: dict, steps: Sequence[int], out: str | None = None) -> None:
        self.plan = Plan(**plan)
        self.out = out
        self.steps = [
            name for name, n in zip(self.plan.phases, steps, strict=True) for _ in range(n)
        ]
        self.step_seconds: dict[str, list[float]] = {name: [] for name in self.plan.phases}
        self.val_seconds: list[float] = []
        self.memory: dict[str, int] = {}
        self.pseudo_labels: list[float] = []

    def before_train(self, runner: Runner) -> None:
        """Read the state of the device and, before anything is written, of the disk."""
        self.device = next(runner.model.parameters()).device
        self.free = shutil.disk_usage(runner.work_dir).free

    def before_train_iter(self, runner: Runner, batch_idx: int, data_batch: Any = None) -> None:
        """Start the clock once the data has arrived."""
        name = self.steps[batch_idx]
        number = len(self.step_seconds[name]) + 1
        runner.logger.info(f'Dry run: {name}, step {number} of {self.steps.count(name)}')
        self.start = self._now()

    def after_train_iter(
        self, runner: Runner, batch_idx: int, data_batch: Any = None, outputs: Any = None
    ) -> None:
        """Stop the clock, and the run after the last step."""
        name = self.steps[batch_idx]
        self.step_seconds[name].append(self._now() - self.start)
        self._look_at_memory(name)
        if outputs and 'pseudo_per_image' in outputs:
            self.pseudo_labels.append(float(outputs['pseudo_per_image']))
        if batch_idx + 1 == len(self.steps):
            runner.train_loop.stop_training = True

    def before_val(self, runner: Runner) -> None:
        """Limit the validation to its first batch."""
        runner.logger.info('Dry run: validation')
        if not isinstance(runner.val_loop.dataloader, FirstBatch):
            runner.val_loop.dataloader = FirstBatch(runner.val_loop.dataloader)

    def before_val_iter(self, runner: Runner, batch_idx: int, data_batch: Any = None) -> None:
        """Start the clock."""
        self.start = self._now()

    def after_val_iter(
        self, runner: Runner, batch_idx: int, data_batch: Any = None, outputs: Any = None
    ) -> None:
        """Stop the clock."""
        self.val_seconds.append(self._now() - self.start)
        self._look_at_memory('validation')

    def after_val_epoch(self, runner: Runner, metrics: dict | None = None) -> None:
        """Check that validation computes the metric that selects the best checkpoint.

        Raises:
            ValueError: if not; the message lists the available metrics.
        """
        saving = (hook for hook in runner.hooks if isinstance(hook, CheckpointHook))
        wanted = {name for hook in saving if hook.save_best for name in hook.key_indicators}
        metrics = metrics or {}
        missing = sorted(wanted - {'auto', *metrics})
        if missing:
            raise ValueError(
                f'default_hooks.checkpoint.save_best names {", ".join(missing)}, but validation '
                f'computes {", ".join(metrics)}'
            )

    def after_train(self, runner: Runner) -> None:
        """Measure the data loader and print the result on one rank.

        Raises:
            SystemExit: on every rank, if the disk is too small.
        """
        runner.logger.info('Dry run: data loading')
        loader = runner.train_dataloader
        count = accumulative_counts(runner.optim_wrapper)
        work_dir, log = Path(runner.work_dir), Path(runner.log_dir) / 'vis_data'
        written = [f.stat().st_size for f in log.rglob('*') if f.is_file() and f.suffix != '.py']
        saved = [f.stat().st_size for f in work_dir.glob('*.pth')]
        own = Measurements(
            step_seconds=[_mean(times[1:] or times) for times in self.step_seconds.values()],
            load_seconds=_load_seconds(runner.train_loop.dataloader_iterator, loader, count),
            is_loaded_ahead=loader.num_workers > 0,
            images=_batch_size(loader) * count * get_world_size(),
            val_seconds=self.val_seconds,
            val_batches=len(runner.val_dataloader) if self.val_seconds else 0,
            memory=self.memory,
            total_memory=self._total_memory(),
            checkpoint=max(saved, default=0),
            report=2 * sum(written) // len(self.steps),  # the text log has about as much
            logged_values=len(runner.message_hub.log_scalars),
            pseudo_labels=_mean(self.pseudo_labels) if self.pseudo_labels else None,
        )
        ranks = all_gather_object((asdict(own), self.free))
        measured = self.measured = Measurements(**_largest([values for values, _ in ranks]))
        free = min(free for _, free in ranks)
        if is_main_process():
            print(f'What this run needs, on {self._machine()}:')
            print(summary(self.plan, measured, free=free), flush=True)
            if self.out is not None:
                write_json(Path(self.out), asdict(measured))
        need = disk_bytes(self.plan, measured)
        if need > free:
            raise SystemExit(
                f'Dry run: the disk of {work_dir.parent} has {free / GB:.2f} GB free, and this '
                f'run needs {need / GB:.2f} GB: free some space, choose another --work-dir, or set '
                'default_hooks.checkpoint.max_keep_ckpts'
            )

    def _machine(self) -> str:
        name = 'CPU'
        if self.device.type != 'cpu':
            name = getattr(torch, self.device.type).get_device_name(self.device)
        return f'{get_world_size()} x {name}'

    def _now(self) -> float:
        """Return the time in seconds after the device has finished its queue."""
        if self.device.type != 'cpu':
            getattr(torch, self.device.type).synchronize(self.device)
        return time.perf_counter()

    def _look_at_memory(self, name: str) -> None:
        """Record peak memory: what torch has reserved on the device, or else the process's peak.

        The log resets torch's other peaks. Neither value falls: a later phase shows at least the
        peak of an earlier one.
        """
        if self.device.type != 'cpu':
            peak = getattr(torch, self.device.type).max_memory_reserved(self.device)
        else:
            peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
        self.memory[name] = max(peak, self.memory.get(name, 0))

    def _total_memory(self) -> int | None:
        if self.device.type == 'cpu':
            return None
        return getattr(torch, self.device.type).mem_get_info(self.device)[1]


class FirstBatch:
    """A wrapper around a data loader that stops after one batch."""

    def __init__(self, loader: DataLoader) -> None:
        self.loader = loader

    def __iter__(self) -> Iterator:
        return islice(self.loader, 1)

    def __len__(self) -> int:
        return len(self.loader)

    def __getattr__(self, name: str) -> object:
        return getattr(self.loader, name)


def _load_seconds(batches: Iterator, loader: DataLoader, count: int) -> float:
    """Seconds to load one iteration's ``count`` batches while nothing else runs."""
    ready = ceil(loader.num_workers * (loader.prefetch_factor or 0) / count)
    for _ in range(ready):
        next(batches)
    measured = max(2, ceil(2 * loader.num_workers / count))
    start = time.perf_counter()
    for _ in range(measured):
        next(batches)
    return (time.perf_counter() - start) / measured


def _batch_size(loader: DataLoader) -> int:
    sampler: Any = loader if loader.batch_size is not None else loader.batch_sampler
    return sampler.batch_size


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values)


def _largest(values: Sequence) -> Any:
    """Largest value of each number within lists and dictionaries; None where none exists."""
    first = values[0]
    if isinstance(first, dict):
        return {name: _largest([value[name] for value in values]) for name in first}
    if isinstance(first, list | tuple):
        return [_largest(parts) for parts in zip(*values, strict=True)]
    return max((value for value in values if value is not None), default=None)
