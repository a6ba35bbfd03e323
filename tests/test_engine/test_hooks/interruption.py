"""A kill at a chosen place of a run in this process."""

from mmengine.hooks import Hook


class Interruption(Exception):
    """Stands for a kill."""


class Interrupt(Hook):
    """After a step, or in a validation before its first batch."""

    priority = 'LOWEST'

    def __init__(self, *, step: int | None = None, validation: int | None = None) -> None:
        self.step, self.validation = step, validation

    def after_train_iter(self, runner, batch_idx, data_batch=None, outputs=None):
        if runner.iter + 1 == self.step:
            raise Interruption

    def before_val(self, runner):
        if runner.iter == self.validation:
            raise Interruption
