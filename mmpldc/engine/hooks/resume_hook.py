"""Run the validation that an interrupted run missed."""

from mmengine.hooks import Hook
from mmengine.runner import IterBasedTrainLoop, Runner

from mmpldc.registry import HOOKS

VALIDATED = 'last_val_iter'  # mmengine logs names that begin with the mode, such as 'val'


@HOOKS.register_module()
class ResumeHook(Hook):
    """Validate first if the resumed run was interrupted before or during a validation.

    A checkpoint is written after the last step before a validation. From there mmengine would
    continue with the next step: the validation, and perhaps the best checkpoint, would be missing.

    The hook also refuses checkpoints that cannot continue a run.

    Note:
        A run that was interrupted after a validation, and before its next checkpoint, repeats the
        validation, because the checkpoint is older. Its metrics are the same.
    """

    priority = 'HIGH'  # before the checkpoint of a new best is written

    def after_load_checkpoint(self, runner: Runner, checkpoint: dict) -> None:
        """Check that the checkpoint can continue a run.

        Raises:
            ValueError: if the checkpoint has weights alone; mmengine would resume it with a newly
                initialised optimiser.
        """
        if runner._resume and 'optimizer' not in checkpoint:
            raise ValueError(
                f'{runner._load_from} cannot be resumed: it has no optimiser state. It holds '
                "weights only (a best or published checkpoint): start from it with load_from='...' "
                'instead'
            )

    def before_train_epoch(self, runner: Runner) -> None:
        """Run the validation that is due at the iteration of the checkpoint."""
        loop = runner.train_loop
        if not isinstance(loop, IterBasedTrainLoop) or loop.iter == 0 or runner.val_loop is None:
            return
        loop._decide_current_val_interval()  # as the loop does after each iteration
        is_due = loop.iter % loop.val_interval == 0 or loop.iter == loop.max_iters
        is_done = runner.message_hub.get_info(VALIDATED) == loop.iter
        if loop.iter >= loop.val_begin and is_due and not is_done:
            runner.logger.info(f'Validation at iteration {loop.iter}, missed by an interruption')
            runner.val_loop.run()

    def after_val_epoch(self, runner: Runner, metrics: dict | None = None) -> None:
        """Record that this validation is done."""
        if isinstance(runner._train_loop, IterBasedTrainLoop):  # not when only validating
            runner.message_hub.update_info(VALIDATED, runner.iter)
