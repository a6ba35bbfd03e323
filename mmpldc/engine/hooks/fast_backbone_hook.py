"""Run backbones in another memory format, with shorter numbers, or compiled."""

from collections.abc import Sequence
from typing import Any, Literal

import torch
from mmengine.hooks import Hook
from mmengine.runner import Runner
from mmengine.utils import apply_to
from torch import Tensor, nn

from mmpldc.registry import HOOKS
from mmpldc.utils.unwrapping import unwrapped


@HOOKS.register_module()
class FastBackboneHook(Hook):
    """Run the backbones of student and teacher in another memory format, or compiled.

    Outputs are the same up to rounding: of float32, or of ``dtype``. The gain depends on the
    machine, see docs/performance.md. Use it for frozen backbones: DDP lays out the gradients of a
    trained backbone before this hook runs, and would copy them between formats at each step.

    Args:
        channels_last: keep weights, and so feature maps, as (batch, height, width, channel).
        compile: compile the backbone by ``torch.compile``; the first steps take longer.
        dtype: the type that a frozen backbone computes in. Weights, feature maps and checkpoints
            stay float32. Testing a checkpoint later computes in float32, too. A backbone that
            trains is left alone, with a warning.
    """

    priority = 'HIGH'  # before MeanTeacherHook shares the frozen parameters

    def __init__(
        self,
        *,
        channels_last: bool = True,
        compile: bool = False,
        dtype: Literal['bfloat16', 'float16'] | None = None,
    ) -> None:
        self.channels_last = channels_last
        self.compile = compile
        self.dtype = None if dtype is None else getattr(torch, dtype)

    def before_train(self, runner: Runner) -> None:
        """Convert the backbones, whose weights are loaded by now."""
        model: Any = unwrapped(runner.model)
        dtype = self.dtype
        trains = any(parameter.requires_grad for parameter in model.student.backbone.parameters())
        if dtype is not None and trains:
            runner.logger.warning(
                f'FastBackboneHook: the backbone trains, so it computes in float32, not {dtype}; '
                '--amp is for backbones that train'
            )
            dtype = None
        for network in (model.student, model.teacher):
            if self.channels_last:
                network.backbone.to(memory_format=torch.channels_last)
            if dtype is not None:
                _compute_in(network.backbone, dtype)
            if self.compile:
                network.backbone.compile()


def _compute_in(backbone: nn.Module, dtype: torch.dtype) -> None:
    """Let a backbone's forward pass compute in a type and return float32."""
    forward = backbone.forward

    def forward_in_dtype(images: Tensor) -> Sequence[Tensor]:
        with torch.autocast(images.device.type, dtype):
            maps = apply_to(forward(images), lambda part: isinstance(part, Tensor), Tensor.float)
            return tuple(maps)

    backbone.forward = forward_in_dtype
