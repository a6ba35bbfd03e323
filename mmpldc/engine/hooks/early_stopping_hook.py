"""End a run whose validations no longer improve."""

import copy
import math
from collections.abc import Mapping
from typing import Any

from mmengine.hooks import CheckpointHook
from mmengine.hooks import EarlyStoppingHook as MMEngineEarlyStoppingHook
from mmengine.runner import IterBasedTrainLoop, Runner

from mmpldc.models.teacher_student import as_teacher_student
from mmpldc.registry import HOOKS

STATE = 'early_stopping'  # in mmengine's message hub, which a checkpoint contains


@HOOKS.register_module()
class EarlyStoppingHook(MMEngineEarlyStoppingHook):
    """mmengine's hook of this name for runs with a burn-in, which survives an interruption.

    Differences:

    - Validations up to the end of burn-in do not count, neither for stopping nor as the best one.
    - The count of validations without a better one is in the checkpoint, so a resumed run ends
      where an uninterrupted one does. A run that has ended stays ended when it is resumed, unless
      ``patience`` is larger than before.
    - The last checkpoint is written when the run ends, whatever the interval of checkpoints.
    - ``min_delta`` is 0.001, that is 0.1 AP; mmengine's 0.1 are 10 AP.

    A run that ends early saves time, and no more: its best checkpoint is kept by ``CheckpointHook``
    anyway. The teacher is an average that keeps rising late in a run, and schedules end with
    ``max_iters``: a run that is stopped has not seen the low learning rates at their end.

    Args:
        patience: validations without a better one after which the run ends.
        monitor: metric of the validation.
        rule: ``'greater'`` or ``'less'``, which is better.
        min_delta: a difference that counts as better.
        strict: end with an error if validations have no such metric.
        check_finite: end the run if the metric is NaN or infinite.
        stopping_threshold: end the run once the metric is better than this.

    Raises:
        ValueError: if ``patience`` is below 1.
    """

    priority = 'LOW'  # before the checkpoint of a new best is written, which holds the count

    def __init__(
        self,
        *,
        patience: int,
        monitor: str = 'teacher/coco/segm_mAP',
        rule: str = 'greater',
        min_delta: float = 0.001,
        strict: bool = True,
        check_finite: bool = True,
        stopping_threshold: float | None = None,
    ) -> None:
        if patience < 1:
            raise ValueError(
                f'early stopping needs a patience of at least 1 validation, got {patience}'
            )
        super().__init__(
            monitor,
            rule=rule,
            min_delta=min_delta,
            strict=strict,
            check_finite=check_finite,
            patience=patience,
            stopping_threshold=stopping_threshold,
        )

    def before_train(self, runner: Runner) -> None:
        """Take the count from the checkpoint of a resumed run, and end at once if it had ended."""
        saved = runner.message_hub.runtime_info.get(STATE)
        if saved is None:
            return
        self.best_score, self.wait_count = saved['best_score'], saved['wait_count']
        if self.wait_count >= self.patience:
            runner.train_loop.stop_training = True
            runner.logger.info(
                f'This run had ended at iteration {runner.iter}: {self.monitor} was not better in '
                f'{self.wait_count} validations. A patience above {self.patience} continues it'
            )
        elif 'last_score' in saved and self._ends_at(saved['last_score']):
            runner.train_loop.stop_training = True
            runner.logger.info(
                f'This run had ended at iteration {runner.iter}: {self.monitor} was not finite, or '
                'at stopping_threshold. Another threshold, or check_finite=False, continues it'
            )

    def _ends_at(self, score: float) -> bool:
        """Whether a score ends a run, whatever those before were."""
        if self.check_finite and not math.isfinite(score):
            return True
        threshold = self.stopping_threshold
        return threshold is not None and self.rule_map[self.rule](score, threshold)

    def after_val_epoch(self, runner: Runner, metrics: dict[str, Any] | None = None) -> None:
        """Count the validation, and end the run if the patience is over.

        Raises:
            RuntimeError: if the metric is missing.
        """
        if not isinstance(runner._train_loop, IterBasedTrainLoop):  # only validating
            return
        model = as_teacher_student(runner.model)
        if model is not None and runner.iter <= model.phases.burn_in_iters:
            return
        super().after_val_epoch(runner, metrics or {})
        state = dict(best_score=self.best_score, wait_count=self.wait_count)
        score = (metrics or {}).get(self.monitor)  # None, if not strict and it is missing
        if score is not None and self._ends_at(score):
            state['last_score'] = score
        runner.message_hub.update_info(STATE, state)
        if not runner.train_loop.stop_training or runner.iter >= runner.max_iters:
            return
        runner.logger.info(
            f'Early stopping at iteration {runner.iter} of {runner.max_iters}; the best '
            f'{self.monitor} after burn-in is {self.best_score:.4f}'
        )
        for saver in (hook for hook in runner.hooks if isinstance(hook, CheckpointHook)):
            if not saver.by_epoch:
                meta = dict(epoch=runner.epoch, iter=runner.iter)
                saver._save_checkpoint_with_step(runner, runner.iter, meta)

    def replay(self, values: Mapping[int, float], *, burn_in_iters: int = 0) -> int | None:
        """Find where a run with these validations would have ended.

        Args:
            values: of the metric by iteration, in ascending order.
            burn_in_iters: of the run.

        Returns:
            The iteration, or None if the patience lasts to the end.

        Examples:
            >>> hook = EarlyStoppingHook(patience=2)
            >>> hook.replay({100: 0.9, 200: 0.2, 300: 0.3, 400: 0.3, 500: 0.29}, burn_in_iters=100)
            500
        """
        fresh = copy.copy(self)
        for step, value in values.items():
            if step > burn_in_iters and fresh._check_stop_condition(value)[0]:
                return step
        return None
