"""Seed each training step."""

from typing import Any

from mmengine.hooks import Hook
from mmengine.runner import Runner

from mmpldc.registry import HOOKS
from mmpldc.utils.randomness import Purpose, seed_process


@HOOKS.register_module()
class StepSeedHook(Hook):
    """Seed each training step by (seed of the run, rank, iteration).

    Points that a loss samples, dropout and everything else drawn in a step are then the same in a
    resumed run, without any generator's state in the checkpoint. Augmentation is seeded separately,
    see :class:`~mmpldc.datasets.ResumableMultiSourceSampler`.
    """

    priority = 'HIGHEST'

    def before_train_iter(self, runner: Runner, batch_idx: int, data_batch: Any = None) -> None:
        """Seed ``random``, NumPy and torch."""
        seed_process(runner.seed, Purpose.STEP, runner.rank, runner.iter)
