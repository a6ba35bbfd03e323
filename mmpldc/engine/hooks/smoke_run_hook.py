"""End a smoke run in an error unless pseudo-labels were trained on."""

from typing import Any

from mmengine.hooks import Hook
from mmengine.runner import Runner

from mmpldc.registry import HOOKS


@HOOKS.register_module()
class SmokeRunHook(Hook):
    """Count pseudo-labels and their loss, and refuse a run that had none.

    :func:`mmpldc.engine.smoke_run.smoke_config` adds this hook.
    """

    def __init__(self) -> None:
        self.labels = self.loss = 0.0

    def after_train_iter(
        self, runner: Runner, batch_idx: int, data_batch: Any = None, outputs: Any = None
    ) -> None:
        """Add up the step's pseudo-labels per image, and the loss of those."""
        values = outputs or {}
        self.labels += float(values.get('pseudo_per_image', 0.0))
        unsup = [value for name, value in values.items() if name.startswith('unsup_')]
        self.loss += sum(float(value) for value in unsup)

    def after_train(self, runner: Runner) -> None:
        """Check the sums.

        Raises:
            RuntimeError: if no pseudo-label was made, or none had a loss.
        """
        if not self.labels > 0:
            raise RuntimeError(
                'the teacher made no pseudo-label although all thresholds are 0: look at '
                'model.pseudo_label_filter and the weak view of the unlabelled images'
            )
        if not self.loss > 0:
            raise RuntimeError(
                'there were pseudo-labels, but their loss was 0: look at model.unsup_weight'
            )
        runner.logger.info(
            f'Smoke run: {self.labels:.1f} pseudo-labels an image in all, loss {self.loss:.2f}'
        )
