"""Save a checkpoint when a scheduler or the user asks the run to stop."""

import os
import signal
import threading
import time
from collections.abc import Callable, Sequence
from types import FrameType
from typing import Any

import torch
from mmengine.dist import get_world_size
from mmengine.hooks import CheckpointHook, Hook
from mmengine.runner import Runner
from torch import distributed

from mmpldc.engine.worker_signals import shield_workers
from mmpldc.registry import HOOKS

Handler = Callable[[int, FrameType | None], Any] | int | None  # what signal.signal returns
# The second of these ends the run at once.
IMPATIENT = (signal.SIGTERM, signal.SIGINT)
# Launchers pass on signals that the processes get as well: within so many seconds it is one signal.
LAUNCHERS = ('TORCHELASTIC_RUN_ID', 'SLURM_PROCID', 'OMPI_COMM_WORLD_RANK')
SECONDS_OF_ONE_SIGNAL = 0.2
SECONDS_WITH_A_LAUNCHER = 10.0


@HOOKS.register_module()
class PreemptionHook(Hook):
    """Save a checkpoint and exit when a scheduler sends a signal, or the user presses Ctrl-C.

    All ranks stop together, at the end of the training step or validation batch in which any rank
    received the signal. ``CheckpointHook`` writes the checkpoint of that step; continue with
    ``--resume``. The exit code is 75 (``os.EX_TEMPFAIL``), which lets a batch script requeue the
    job. A signal in the last step has no effect: the run is about to end.

    A second SIGTERM or Ctrl-C ends the process at once, without a checkpoint.

    Ranks exchange their state after each step through a gloo group on the CPU, without waiting for
    the device.

    Args:
        signals: names of the signals to handle. After training they are handled as before.
    """

    priority = 'LOWEST'  # after CheckpointHook, so that a step is not saved twice

    def __init__(self, *, signals: Sequence[str] = ('SIGTERM', 'SIGUSR1', 'SIGINT')) -> None:
        self.signals = {signal.Signals[name] for name in signals}
        self.received = 0  # number of the received signal
        self.asked_at: float | None = None  # when the first SIGTERM or Ctrl-C came
        self.handlers: dict[signal.Signals, Handler] = {}
        self.group: distributed.ProcessGroup | None = None
        self.checkpoint_hook: CheckpointHook | None = None

    def before_train(self, runner: Runner) -> None:
        """Install the handlers, if a hook saves checkpoints by iteration."""
        hooks = [hook for hook in runner.hooks if isinstance(hook, CheckpointHook)]
        savers = [hook for hook in hooks if not hook.by_epoch]
        if not savers:
            runner.logger.warning(
                'A signal will end this run without a checkpoint: no CheckpointHook has '
                'by_epoch=False'
            )
            return
        self.checkpoint_hook = savers[0]
        self.process = os.getpid()
        if get_world_size() > 1:
            self.group = distributed.new_group(backend='gloo')
        # In other threads Python refuses to handle signals.
        if threading.current_thread() is threading.main_thread():
            for number in self.signals:
                self.handlers[number] = signal.signal(number, self._receive)
        shield_workers(runner.train_dataloader, self.signals)
        if runner.val_loop is not None:
            shield_workers(runner.val_dataloader, self.signals)

    def after_train(self, runner: Runner) -> None:
        """Restore the earlier handlers."""
        for number, handler in self.handlers.items():
            signal.signal(number, handler)
        self.handlers.clear()
        self.checkpoint_hook = None

    def after_train_iter(
        self, runner: Runner, batch_idx: int, data_batch: Any = None, outputs: Any = None
    ) -> None:
        """Stop after this step if a signal came, unless the run ends anyway."""
        if self.checkpoint_hook is not None and not self.is_last_train_iter(runner):
            self._stop_if_told(runner, self.checkpoint_hook, step=runner.iter + 1)

    def before_val(self, runner: Runner) -> None:
        """Compute after how many batches of this validation all ranks can be asked."""
        if self.checkpoint_hook is None:
            return
        batches = torch.tensor(len(runner.val_dataloader))
        if self.group is not None:
            distributed.all_reduce(batches, distributed.ReduceOp.MIN, group=self.group)
        self.common_val_batches = batches.item()

    def after_val_iter(
        self, runner: Runner, batch_idx: int, data_batch: Any = None, outputs: Any = None
    ) -> None:
        """Stop within a validation if a signal came; the validation is repeated on resume."""
        if self.checkpoint_hook is not None and batch_idx < self.common_val_batches:
            self._stop_if_told(runner, self.checkpoint_hook, step=runner.iter)

    def _receive(self, number: int, frame: FrameType | None) -> None:
        if os.getpid() != self.process:  # a child forked by a pool: the signal is not for it
            os._exit(128 + number)
        if number in IMPATIENT and self._is_second():
            _say(f'{signal.Signals(number).name} again: the run ends now, without a checkpoint')
            signal.signal(number, signal.SIG_DFL)
            os.kill(os.getpid(), number)
        if not self.received and os.environ.get('RANK', '0') == '0':
            again = ' A second one ends the run at once.' if number in IMPATIENT else ''
            _say(
                f'{signal.Signals(number).name}: a checkpoint will be saved at the end of this '
                f'step, and the run ends.{again}'
            )
        self.received = number

    def _is_second(self) -> bool:
        """Whether SIGTERM or Ctrl-C came before, and not just now."""
        now = time.monotonic()
        if self.asked_at is None:
            self.asked_at = now
        has_launcher = any(name in os.environ for name in LAUNCHERS)
        alike = SECONDS_WITH_A_LAUNCHER if has_launcher else SECONDS_OF_ONE_SIGNAL
        return now - self.asked_at > alike

    def _stop_if_told(self, runner: Runner, saver: CheckpointHook, *, step: int) -> None:
        received = torch.tensor(self.received)
        if self.group is not None:
            distributed.all_reduce(received, distributed.ReduceOp.MAX, group=self.group)
        if not received:
            return
        if saver.last_ckpt is None or os.path.basename(saver.last_ckpt) != (
            saver.filename_tmpl.format(step)
        ):
            saver._save_checkpoint_with_step(runner, step, dict(epoch=runner.epoch, iter=step))
        if self.group is not None:  # a launcher ends the others soon after the first has exited
            distributed.barrier(group=self.group)
        runner.logger.info(
            f'{signal.Signals(int(received)).name}: stopped after iteration {step}, which is in '
            f'{saver.last_ckpt}. --resume continues from there; the exit code is {os.EX_TEMPFAIL}.'
        )
        runner.call_hook('after_run')
        # Slurm sends SIGTERM to ranks that exit later than the first one. During Python's shutdown
        # the signal would change their exit code from 75; an ignored signal stays ignored.
        for number in self.handlers:
            signal.signal(number, signal.SIG_IGN)
        raise SystemExit(os.EX_TEMPFAIL)


def _say(text: str) -> None:
    """Write a line from a signal handler, which may have interrupted the logger."""
    os.write(2, f'\n{text}\n'.encode())
