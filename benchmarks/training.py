r"""Measure whole training steps of a config, with its real data.

The run is an ordinary one, without validation and checkpoints. After ``--warm-up`` steps it
measures images a second, the share of the time that a step waits for data, the peak memory, and on
a GPU how often the host waits for the device in one more step. It fails where a loss is not finite.

    python benchmarks/training.py CONFIG --batch-size 2 4 8 --amp --out DIR \
        --cfg-options model.burn_in_iters=0    # measures steps with pseudo-labels from the start
"""

import argparse
import math
import resource
import tempfile
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import torch
from mmengine.config import Config, DictAction
from mmengine.device import get_device
from mmengine.hooks import Hook
from mmengine.runner import Runner
from timing import argument_parser, now, report, table


def parse_args() -> argparse.Namespace:
    parser = argument_parser(__doc__, warm_up=10, device=False)
    parser.add_argument('config')
    parser.add_argument('--steps', type=int, default=200, help='to measure, after the warm-up')
    parser.add_argument(
        '--batch-size', type=int, nargs='+', help='one run each; default: the config'
    )
    parser.add_argument('--amp', action='store_true', help='automatic mixed precision (GPU only)')
    parser.add_argument('--name', default='training', help='of the result in --out')
    parser.add_argument('--cfg-options', nargs='+', action=DictAction, default={})
    return parser.parse_args()


def main() -> None:
    args = parse_args()
    device = torch.device(get_device())
    rows = []
    for batch_size in args.batch_size or [None]:
        try:
            rows.append(measure(args, batch_size, device))
        except torch.OutOfMemoryError:
            rows.append(dict(images=batch_size, images_a_second=None))
            break  # a larger batch will not fit either
    text = table(
        ['images a step', 'images/s', 'ms a step', 'waiting for data', 'peak GiB', 'host waits'],
        [_cells(row) for row in rows],
    )
    text += f'\n\n{args.steps} steps after {args.warm_up}; '
    text += f'{"mixed precision" if args.amp else "float32"}; last loss '
    text += ', '.join(f'{row["loss"]:.2f}' for row in rows if 'loss' in row) + '.'
    report(args.name, text, rows, device, args.out)


def _cells(row: dict) -> list[str]:
    if row['images_a_second'] is None:
        return [str(row['images']), 'out of memory', *'----']
    return [
        str(row['images']),
        f'{row["images_a_second"]:.2f}',
        f'{1000 * row["seconds_a_step"]:.0f}',
        f'{100 * row["data_share"]:.1f} %',
        f'{row["peak_gib"]:.1f}',
        '-' if row['host_waits'] is None else str(row['host_waits']),
    ]


def measure(args: argparse.Namespace, batch_size: int | None, device: torch.device) -> dict:
    """Train and return the measurements as a row of the table."""
    cfg = Config.fromfile(args.config)
    cfg.merge_from_dict(args.cfg_options)
    if batch_size is not None:
        cfg.train_dataloader.batch_size = batch_size
        if 'batch_size' in cfg.train_dataloader.get('sampler', {}):
            cfg.train_dataloader.sampler.batch_size = batch_size
    steps = args.warm_up + args.steps + 1
    cfg.train_cfg.max_iters = max(cfg.train_cfg.max_iters, steps)  # the schedule stays whole
    for name in ('val', 'test'):
        for key in ('dataloader', 'cfg', 'evaluator'):
            cfg[f'{name}_{key}'] = None
    cfg.default_hooks.checkpoint = None
    if args.amp:
        guarded = cfg.optim_wrapper.type.startswith('mmpldc.Guarded')
        cfg.optim_wrapper.type = 'mmpldc.GuardedAmpOptimWrapper' if guarded else 'AmpOptimWrapper'
        cfg.optim_wrapper.setdefault('loss_scale', 'dynamic')
    with tempfile.TemporaryDirectory() as folder:
        cfg.work_dir = folder
        cfg.experiment_name = cfg.visualizer.name = Path(folder).name
        runner = Runner.from_cfg(cfg)
        meter = StepMeter(args.warm_up, args.steps, device)
        runner.register_hook(meter, priority='LOWEST')
        with suppress(_Measured):
            runner.train()
    return meter.row(cfg.train_dataloader.batch_size)


class _Measured(Exception):
    """Ends a run whose steps have been measured."""


class StepMeter(Hook):
    """Measures the steps after a warm-up, then ends the run."""

    def __init__(self, warm_up: int, steps: int, device: torch.device) -> None:
        self.warm_up, self.steps, self.device = warm_up, steps, device
        self.losses: list[torch.Tensor] = []
        self.data_seconds = 0.0
        self.started = self.ended = 0.0
        self.host_waits: int | None = None

    def before_train_iter(self, runner: Runner, batch_idx: int, data_batch: dict) -> None:
        """Start the clock, and count the host's waits in the step after the last one."""
        if batch_idx == self.warm_up:
            if self.device.type == 'cuda':
                torch.cuda.reset_peak_memory_stats()
            self.started = now(self.device)
        if batch_idx == self.warm_up + self.steps:
            self.ended = now(self.device)
            if self.device.type == 'cuda':
                self._counting = _count_host_waits()
                self._waits = self._counting.__enter__()
        if batch_idx > self.warm_up:
            # IterTimerHook measured the wait for this batch just now
            self.data_seconds += runner.message_hub.get_scalar('train/data_time').current()

    def after_train_iter(
        self, runner: Runner, batch_idx: int, data_batch: dict, outputs: dict
    ) -> None:
        """Keep the loss; end the run after the last step."""
        self.losses.append(outputs['loss'].detach())
        if batch_idx == self.warm_up + self.steps:
            if self.device.type == 'cuda':
                self._counting.__exit__(None, None, None)
                self.host_waits = len(self._waits)
            raise _Measured

    def row(self, images: int) -> dict:
        """Return the measurements; raise ``SystemExit`` where a loss was not finite."""
        losses = torch.stack(self.losses).tolist()
        broken = [step for step, loss in enumerate(losses, 1) if not math.isfinite(loss)]
        if broken:
            raise SystemExit(f'the loss was not finite in steps {broken}')
        seconds = self.ended - self.started
        if self.device.type == 'cuda':
            peak = torch.cuda.max_memory_allocated()
        else:
            peak = 1024 * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        return dict(
            images=images,
            images_a_second=images * self.steps / seconds,
            seconds_a_step=seconds / self.steps,
            data_share=self.data_seconds / seconds,
            peak_gib=peak / 2**30,
            host_waits=self.host_waits,
            loss=losses[-1],
        )


@contextmanager
def _count_host_waits() -> Iterator[list]:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter('always')
        waits: list = []
        torch.cuda.set_sync_debug_mode('warn')
        try:
            yield waits
        finally:
            torch.cuda.set_sync_debug_mode('default')
            waits += [w for w in caught if 'synchronizing' in str(w.message)]


if __name__ == '__main__':
    main()
