"""Report, count and limit skipped non-finite steps."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import torch
from mmengine.dist import all_gather_object, barrier, get_rank
from mmengine.hooks import Hook
from mmengine.runner import Runner

from mmpldc.engine.optimizers.guarded_optim_wrapper import StepGuard
from mmpldc.engine.step_dump import save_step
from mmpldc.models.teacher_student import as_teacher_student
from mmpldc.registry import HOOKS

SKIPPED, IN_A_ROW = 'skipped_steps', 'skipped_steps_in_a_row'  # in the message hub


class RankReport(NamedTuple):
    """One rank's report of a skipped step.

    Attributes:
        losses: the values that are not finite.
        images: image files behind these losses.
    """

    losses: dict[str, float]
    images: list[str]


@HOOKS.register_module()
class NonFiniteHook(Hook):
    """Report steps that :class:`~mmpldc.engine.GuardedOptimWrapper` skipped; stop after many.

    A warning names the losses and the images. The message hub keeps the count of skipped steps
    (``skipped_steps``), so a resumed run continues the count. A gradient that overflows under a
    loss scaler while all losses are finite is part of how the scaler finds its scale: the hook
    reports it, and counts it only towards ``max_in_a_row``.

    After a skipped step the teacher is still averaged, with an unchanged student. Running
    statistics (batch norm) that the step's forward pass has corrupted are restored from the
    teacher.

    The run stops on all ranks at once: each writes ``nonfinite_iter_N_rank_R.pth`` into the work
    directory, for ``tools/analysis/replay_step.py``, and raises.

    Args:
        max_in_a_row: number of consecutive skipped steps that ends the run.
    """

    priority = 'ABOVE_NORMAL'  # before the teacher is updated, and before anything is saved

    def __init__(self, *, max_in_a_row: int = 20) -> None:
        if max_in_a_row < 1:
            raise ValueError(f'max_in_a_row must be at least 1, got {max_in_a_row}')
        self.max_in_a_row = max_in_a_row

    def before_train(self, runner: Runner) -> None:
        """Refuse an optimiser wrapper that does not skip non-finite steps."""
        if not isinstance(runner.optim_wrapper, StepGuard):
            raise ValueError(
                f'{type(runner.optim_wrapper).__name__} takes steps that are not finite: set '
                "optim_wrapper.type to 'mmpldc.GuardedOptimWrapper' (AMP: "
                "'mmpldc.GuardedAmpOptimWrapper'), or disable NonFiniteHook by "
                'default_hooks.non_finite=None'
            )

    def after_train_iter(
        self, runner: Runner, batch_idx: int, data_batch: Any = None, outputs: dict | None = None
    ) -> None:
        """Check whether the optimiser wrapper skipped the step.

        Raises:
            RuntimeError: after ``max_in_a_row`` skipped steps.
        """
        hub, wrapper = runner.message_hub, runner.optim_wrapper
        if not wrapper.skipped:
            if hub.get_info(IN_A_ROW, 0):
                hub.update_info(IN_A_ROW, 0)
            return
        in_a_row = hub.get_info(IN_A_ROW, 0) + 1
        hub.update_info(IN_A_ROW, in_a_row)
        model = as_teacher_student(runner.model)
        if model is not None:
            model.restore_statistics()
        # Every rank has skipped the step, so every rank is here.
        reports = all_gather_object(_report(outputs or {}, data_batch))
        if wrapper.scales_loss and not any(report.losses for report in reports):
            runner.logger.info(
                f'iteration {runner.iter + 1}: gradients overflowed, the step is skipped and the '
                f'loss scale is now {wrapper.loss_scaler.get_scale():g}'
            )
        else:
            total = hub.get_info(SKIPPED, 0) + 1
            hub.update_info(SKIPPED, total)
            runner.logger.warning(
                f'iteration {runner.iter + 1}: a loss or gradient is not finite, the step is '
                f'skipped ({total} so far, {in_a_row} in a row)\n{_describe(reports)}'
            )
        if in_a_row >= self.max_in_a_row:
            self._stop(runner, data_batch)

    def after_train(self, runner: Runner) -> None:
        """Report the number of skipped steps."""
        if total := runner.message_hub.get_info(SKIPPED, 0):
            runner.logger.warning(f'steps skipped for a non-finite loss or gradient: {total}')

    def _stop(self, runner: Runner, data_batch: dict | list[dict]) -> None:
        folder = Path(runner.work_dir)
        name = f'nonfinite_iter_{runner.iter + 1}_rank_{{}}.pth'
        save_step(folder / name.format(get_rank()), runner, data_batch)
        barrier()  # the launcher ends the other ranks once the first has exited
        raise RuntimeError(
            f'{self.max_in_a_row} steps in a row had a loss or gradient that was not finite, the '
            f'last at iteration {runner.iter + 1}; weights are those before them. The log '
            f'names the images. `python tools/analysis/replay_step.py --trust-dump '
            f'{folder / name.format("RANK")}` repeats the last step and shows where it breaks. Try '
            'a lower learning rate or a longer warm-up, bfloat16 or float32 instead of float16, or '
            'an earlier checkpoint.'
        )


def _report(outputs: dict, data_batch: dict | list[dict]) -> RankReport:
    values = {name: float(value) for name, value in outputs.items() if 'loss' in name}
    losses = {name: value for name, value in values.items() if not torch.tensor(value).isfinite()}
    parts = {name.split('_')[0] for name in losses} & {'sup', 'unsup'}
    return RankReport(losses, list(dict.fromkeys(_image_paths(data_batch, parts))))


def _image_paths(data_batch: dict | list[dict], parts: set[str]) -> Iterator[str]:
    """Yield the files behind the branches of some parts, 'sup' or 'unsup'; of all if empty."""
    for batch in data_batch if isinstance(data_batch, list) else [data_batch]:
        branches = batch['data_samples']
        if not isinstance(branches, dict):  # a batch of a single view
            branches = {'': branches}
        for branch, samples in branches.items():
            if not parts or branch.split('_')[0] in parts:
                yield from (sample.img_path for sample in samples if sample is not None)


def _describe(reports: Sequence[RankReport]) -> str:
    """Describe the ranks with a loss that is not finite; all ranks if none has one."""
    lines = []
    anywhere = any(report.losses for report in reports)
    for rank, report in enumerate(reports):
        if report.losses or not anywhere:
            losses = ', '.join(f'{name}={value}' for name, value in report.losses.items())
            images = ', '.join(report.images)
            lines.append(f'rank {rank}: {losses or "gradients only"}; images: {images}')
    return '\n'.join(lines)
