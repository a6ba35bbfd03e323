"""Faster backbones, by option."""

from typing import Any

import torch
from mmengine.hooks import Hook
from mmengine.runner import Runner

from mmpldc.registry import HOOKS
from mmpldc.utils.unwrapping import unwrapped


@HOOKS.register_module()
class FastBackboneHook(Hook):
    """Run the backbones of student and teacher in another memory format, or compiled.

    Same values up to rounding. What is gained depends on the machine: docs/performance.md. Made for
    frozen backbones: DDP has laid out the gradients of one that trains before this, and would copy
    them between formats at each step.

    Args:
        channels_last: keep weights, and so feature maps, as (batch, height, width, channel).
        compile: let ``torch.compile`` make kernels for it; the first steps take longer.
    """

    priority = 'HIGH'  # before MeanTeacherHook lets the two share what is frozen

    def __init__(self, *, channels_last: bool = True, compile: bool = False) -> None:
        self.channels_last = channels_last
        self.compile = compile

    def before_train(self, runner: Runner) -> None:
        """Convert the backbones, whose weights are loaded by now."""
        model: Any = unwrapped(runner.model)
        for network in (model.student, model.teacher):
            if self.channels_last:
                network.backbone.to(memory_format=torch.channels_last)
            if self.compile:
                network.backbone.compile()
