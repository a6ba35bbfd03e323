"""Compare a run with its supervised twin, and end pseudo-labels that do harm."""

from contextlib import suppress
from pathlib import Path
from typing import Any

from mmengine.dist import broadcast_object_list
from mmengine.hooks import Hook
from mmengine.runner import IterBasedTrainLoop, Runner

from mmpldc.models.teacher_student import as_teacher_student
from mmpldc.registry import HOOKS
from mmpldc.visualization.curves import read_scalars

STATE = 'supervised_guard'  # in mmengine's message hub, which a checkpoint contains


@HOOKS.register_module()
class SupervisedGuardHook(Hook):
    """End pseudo-labels if the teacher is worse than labelled images alone would have made it.

    Wrong pseudo-labels feed themselves: the student learns them, and the teacher follows. Their
    confidence does not show it. A supervised run of the same steps, labelled batches and
    validation images does: where the teacher is below it in ``patience`` validations in a row, the
    student goes on with the labelled images alone, and the teacher with its average. All else,
    such as the learning rate, stays as it is.

    One validation on few images says little, because their choice moves AP by several points. But
    both models see the same images, and pseudo-labels that end by chance had not shown a gain.

    Each validation after burn-in logs the difference. The number of validations below, and the
    iteration at which pseudo-labels ended, are in the checkpoint.

    Args:
        baseline: work directory of the supervised run; None: of the run whose checkpoint this one
            continues, if that was supervised and had this hook. Without one, or where it has no
            validation at the same iteration, nothing is compared.
        patience: validations in a row below the supervised run after which pseudo-labels end;
            None: never, differences are logged. If a run is resumed with a larger one,
            pseudo-labels that had ended come back.
        monitor: metric of the validation; greater is better.

    Raises:
        ValueError: if ``patience`` is below 1.
    """

    priority = 'LOW'  # before the checkpoint of a new best is written, which holds the state

    def __init__(
        self,
        *,
        baseline: str | None = None,
        patience: int | None = 2,
        monitor: str = 'teacher/coco/segm_mAP',
    ) -> None:
        if patience is not None and patience < 1:
            raise ValueError(
                f'supervised_guard needs a patience of at least 1 validation, got {patience}; None '
                'never ends pseudo-labels'
            )
        self.baseline = baseline
        self.patience = patience
        self.monitor = monitor
        self.below = 0
        self.ended_at: int | None = None
        self.is_active = False

    def before_train(self, runner: Runner) -> None:
        """Find the supervised run, and go on without pseudo-labels if they had ended."""
        model = as_teacher_student(runner.model)
        if model is None:
            return
        saved = runner.message_hub.runtime_info.get(STATE) or {}
        if model.phases.is_supervised:
            runner.message_hub.update_info(
                STATE, dict(baseline=str(Path(runner.work_dir).absolute()))
            )
            return
        self.baseline = self.baseline or saved.get('baseline')
        self.below, self.ended_at = saved.get('below', 0), saved.get('ended_at')
        if self.baseline is None:
            return
        if self.patience is None or self.below < self.patience:  # larger than before
            self.ended_at = None
        if self.ended_at is not None:
            model.end_pseudo_labels()
            runner.logger.info(f'Pseudo-labels had ended at iteration {self.ended_at}')
        elif not any(step > model.phases.burn_in_iters for step in self._validations()):
            runner.logger.warning(
                f'supervised_guard: {self.baseline} has no {self.monitor} after burn-in so far, so '
                'there is nothing to compare this run with'
            )
        self.is_active = self.ended_at is None
        self._save(runner)

    def after_val_epoch(self, runner: Runner, metrics: dict[str, Any] | None = None) -> None:
        """Compare this validation, and end pseudo-labels if the patience is over.

        Raises:
            RuntimeError: if the metric is missing.
        """
        if not self.is_active or not isinstance(runner._train_loop, IterBasedTrainLoop):
            return
        model = as_teacher_student(runner.model)
        if model is None or runner.iter <= model.phases.burn_in_iters:
            return
        expected = self._validations().get(runner.iter)
        if expected is None:
            return
        value = (metrics or {}).get(self.monitor)
        if value is None:
            raise RuntimeError(
                f'supervised_guard: this validation has no {self.monitor}, but '
                f'{", ".join(sorted(metrics or {}))}: set default_hooks.supervised_guard.monitor'
            )
        difference = value - expected
        self.below = self.below + 1 if difference < 0 else 0
        runner.logger.info(
            f'{self.monitor}: {value:.4f}, the supervised run had {expected:.4f} at this iteration '
            f'({difference:+.4f})'
        )
        if (
            self.patience is not None
            and self.below >= self.patience
            and runner.iter < runner.max_iters
        ):
            self.ended_at, self.is_active = runner.iter, False
            model.end_pseudo_labels()
            runner.logger.warning(
                f'The teacher was below the supervised run in {self.below} validations in a row: '
                f'pseudo-labels end at iteration {runner.iter}, and training goes on with the '
                'labelled images alone (default_hooks.supervised_guard)'
            )
        self._save(runner)

    def _validations(self) -> dict[int, float]:
        """The metric of the supervised run so far by iteration, the same on all ranks."""
        found: list[dict[int, float]] = [{}]
        with suppress(OSError, ValueError):  # moved, on another machine, or just being written
            records = read_scalars(Path(str(self.baseline)))
            found[0] = {
                record['step']: record[self.monitor] for record in records if self.monitor in record
            }
        broadcast_object_list(found)
        return found[0]

    def _save(self, runner: Runner) -> None:
        state = dict(baseline=self.baseline, below=self.below, ended_at=self.ended_at)
        runner.message_hub.update_info(STATE, state)
