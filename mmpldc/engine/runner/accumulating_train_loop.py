"""Training loop that counts optimiser steps, also with gradient accumulation."""

from collections.abc import Sequence
from typing import Any

import torch
from mmengine.optim import OptimWrapper
from mmengine.runner import IterBasedTrainLoop
from torch import Tensor, nn

from mmpldc.registry import LOOPS


@LOOPS.register_module()
class AccumulatingTrainLoop(IterBasedTrainLoop):
    """mmengine's ``IterBasedTrainLoop`` with one optimiser step per iteration.

    A step consists of ``optim_wrapper.accumulative_counts`` micro-batches, one after the other.
    Everything that counts iterations then counts steps: ``max_iters``, burn-in, the teacher's
    average, CLIP's weight, the schedules, validation, checkpoints and the log. In mmengine's loop
    an iteration is a micro-batch. Without accumulation the two loops are the same.

    With accumulation, hooks are called once per step. Their ``data_batch`` is the list of
    micro-batches; their ``outputs`` hold each value's mean over the micro-batches that have it.

    Args:
        *args, **kwargs: of mmengine's ``IterBasedTrainLoop``; ``max_iters``, ``val_begin`` and
            ``val_interval`` in optimiser steps.

    Note:
        A micro-batch is normalised by its own targets, as every batch is. The gradient equals that
        of one large batch only if all micro-batches have equally many targets.
    """

    dataloader_iterator: Any  # mmengine's, or MicroBatches of it

    def run(self) -> nn.Module:
        """Train, see the parent.

        Returns:
            The model.
        """
        count = accumulative_counts(self.runner.optim_wrapper)
        if count > 1:
            self.dataloader_iterator = MicroBatches(self.dataloader_iterator, count)
            # The Runner has set these from iterations, as if each were a micro-batch, and warns if
            # a resumed iteration is not a multiple.
            self.runner.logger.info(
                f'An iteration is an optimiser step of {count} micro-batches; none is lost on '
                'resuming.'
            )
            self.runner.optim_wrapper.initialize_count_status(
                self.runner.model, self.iter * count, self.max_iters * count
            )
        return super().run()

    def run_iter(self, data_batch: dict | list[dict]) -> None:
        """Run one optimiser step.

        Args:
            data_batch: a batch, or with accumulation a list of micro-batches.
        """
        if not isinstance(self.dataloader_iterator, MicroBatches):
            super().run_iter(data_batch)
            return
        runner = self.runner
        runner.call_hook('before_train_iter', batch_idx=self._iter, data_batch=data_batch)
        outputs = mean_outputs(
            [
                runner.model.train_step(micro_batch, optim_wrapper=runner.optim_wrapper)
                for micro_batch in data_batch
            ]
        )
        runner.call_hook(
            'after_train_iter', batch_idx=self._iter, data_batch=data_batch, outputs=outputs
        )
        self._iter += 1


class MicroBatches:
    """An endless iterator over batches, several at a time.

    Args:
        batches: mmengine's iterator over a data loader, with ``skip_iter``.
        count: number of batches per iteration.
    """

    def __init__(self, batches: Any, count: int) -> None:
        self.batches = batches
        self.count = count

    def __next__(self) -> list:
        return [next(self.batches) for _ in range(self.count)]

    def skip_iter(self, num_iters: int) -> None:
        """Skip the batches that a resumed run has seen."""
        self.batches.skip_iter(num_iters * self.count)


def accumulative_counts(optim_wrapper: OptimWrapper) -> int:
    """Micro-batches per optimiser step; 1 for a wrapper that does not accumulate."""
    return getattr(optim_wrapper, '_accumulative_counts', 1)


def mean_outputs(outputs: Sequence[dict[str, Tensor]]) -> dict[str, Tensor]:
    """Average each value over the dictionaries that have it, in order of appearance.

    Args:
        outputs: named scalars of each micro-batch; statistics of pseudo-labels are absent if the
            micro-batch has none.
    """
    values: dict[str, list[Tensor]] = {}
    for output in outputs:
        for name, value in output.items():
            values.setdefault(name, []).append(value)
    return {name: torch.stack(of_each).mean() for name, of_each in values.items()}
