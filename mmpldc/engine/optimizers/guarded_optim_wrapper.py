"""Skip optimiser steps whose loss or gradient is not finite."""

import math
from typing import Any

from mmengine.optim import AmpOptimWrapper, OptimWrapper
from torch import Tensor

from mmpldc.registry import OPTIM_WRAPPERS


class StepGuard(OptimWrapper):
    """Mix-in for mmengine's ``OptimWrapper`` that skips a step with a NaN or an infinity.

    A skipped step leaves weights, the optimiser's moments and its step count unchanged; schedules
    continue, because they count iterations. All ranks decide alike without communication: DDP's
    all-reduce spreads a NaN or an infinity from one rank to all, and each rank checks the norm of
    its reduced gradients.

    Without ``clip_grad`` the norm is measured as well, and logged as ``grad_norm``.

    Args:
        clip_grad: as in mmengine, of type ``'norm'``.
        **kwargs: as in mmengine.

    Raises:
        ValueError: if gradients are to be clipped by value, which would hide an infinity.

    Attributes:
        skipped (bool): whether the last step was skipped; the same on all ranks.
    """

    def __init__(self, *, clip_grad: dict | None = None, **kwargs: Any) -> None:
        if clip_grad is not None and clip_grad.get('type', 'norm') != 'norm':
            raise ValueError(
                f'{type(self).__name__} needs the norm of the gradients: give it clip_grad='
                "dict(max_norm=...), or clip by value with mmengine's own wrapper, which takes "
                'steps that are not finite'
            )
        super().__init__(clip_grad=clip_grad or dict(max_norm=math.inf), **kwargs)
        self.skipped = False

    @property
    def scales_loss(self) -> bool:
        """Whether the loss is scaled, so that gradients may overflow in a healthy run."""
        return False

    def scale_loss(self, loss: Tensor) -> Tensor:
        """Scale the loss as the parent does; a non-finite loss makes every gradient NaN.

        Otherwise one rank could have a NaN in its loss but none in its gradients (a constant term,
        a branch outside of the backward pass), and the other ranks would not notice.
        """
        return super().scale_loss(loss * (loss.detach() * 0 + 1))  # times 1, or NaN

    def _clip_grad(self) -> None:
        """Clip as the parent does; drop gradients that are not finite.

        mmengine's wrappers call this between the backward pass and the optimiser's step. A step
        without gradients changes nothing; a loss scaler has recorded its findings before.
        """
        params = [
            param
            for group in self.optimizer.param_groups
            for param in group['params']
            if param.grad is not None
        ]
        # Host sync: the parent's own, for the log.
        norm = float(self.clip_func(params, **self.clip_grad_kwargs))
        self.skipped = not math.isfinite(norm)
        if self.skipped:
            self.optimizer.zero_grad(set_to_none=True)
        else:
            self.message_hub.update_scalar(f'train/{self.grad_name}', norm)


@OPTIM_WRAPPERS.register_module()
class GuardedOptimWrapper(StepGuard):
    """mmengine's ``OptimWrapper`` with :class:`StepGuard`."""


@OPTIM_WRAPPERS.register_module()
class GuardedAmpOptimWrapper(StepGuard, AmpOptimWrapper):
    """mmengine's ``AmpOptimWrapper`` with :class:`StepGuard`.

    Its loss scaler starts high and is halved whenever a gradient overflows, so some of the first
    steps are skipped by design. Its state is part of a checkpoint.
    """

    @property
    def scales_loss(self) -> bool:
        """Whether the scaler is on; bfloat16 needs none: ``loss_scale=dict(enabled=False)``."""
        return self.loss_scaler.is_enabled()
