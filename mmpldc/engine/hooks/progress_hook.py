"""Say early how long a run takes, and at its end what came out."""

import shlex
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from mmengine.dist import is_main_process
from mmengine.hooks import CheckpointHook, Hook
from mmengine.runner import Runner

from mmpldc.engine.projection import duration

EARLY = (2, 5, 10)  # steps; the first one warms up


class ProgressHook(Hook):
    """Print the time of the first steps with the time left, and the result of the run.

    Nothing goes to the log's scalars. ``tools/train.py`` adds this hook.

    Args:
        next_command: from the path of a checkpoint to the words of a command that uses it.
        on_first_step: called before the first step.
    """

    priority = 'VERY_LOW'

    def __init__(
        self,
        *,
        next_command: Callable[[str], list[str]],
        on_first_step: Callable[[Runner], None] | None = None,
    ) -> None:
        self.next_command = next_command
        self.on_first_step = on_first_step
        self.steps = 0

    def before_train_iter(self, runner: Runner, batch_idx: int, data_batch: Any = None) -> None:
        """Start the clock behind the first step."""
        if self.steps == 0 and self.on_first_step is not None:
            self.on_first_step(runner)
        if self.steps == 1:
            self.start = time.perf_counter()

    def after_train_iter(
        self, runner: Runner, batch_idx: int, data_batch: Any = None, outputs: Any = None
    ) -> None:
        """Tell the time of a step, unless the log has done so already."""
        self.steps += 1
        interval = getattr(_logger_hook(runner), 'interval', 0)
        if self.steps not in EARLY or self.steps >= interval or not is_main_process():
            return
        seconds = (time.perf_counter() - self.start) / (self.steps - 1)
        left = runner.max_iters - runner.iter - 1
        runner.logger.info(
            f'Step {runner.iter + 1} of {runner.max_iters}: {seconds:.3g} s a step, about '
            f'{duration(seconds * left)} left without validation'
        )

    def after_run(self, runner: Runner) -> None:
        """Name the best checkpoint, or the last one, and the command to test it."""
        is_over = runner.iter >= runner.max_iters or runner.train_loop.stop_training
        if not is_main_process() or not is_over:
            return
        saving = [hook for hook in runner.hooks if isinstance(hook, CheckpointHook)]
        path, line = None, ''
        for hook in saving:
            for name in hook.key_indicators if hook.save_best else ():
                suffix = '' if len(hook.key_indicators) == 1 else f'_{name}'
                if f'best_ckpt{suffix}' in runner.message_hub.runtime_info:
                    path = runner.message_hub.get_info(f'best_ckpt{suffix}')
                    score = runner.message_hub.get_info(f'best_score{suffix}')
                    line = f'The best {name} is {score:.4f}, in {path}. '
            if path is None and hook.last_ckpt is not None:
                path = hook.last_ckpt
                line = f'The last checkpoint is {path}; no validation chose a best one. '
        if path is not None and Path(path).exists():
            command = shlex.join(self.next_command(str(path)))
            runner.logger.info(f'{line}To test it:\n{command}')


def _logger_hook(runner: Runner) -> Any:
    return next((hook for hook in runner.hooks if type(hook).__name__ == 'LoggerHook'), None)
