"""Run backbones in another memory format or compiled."""

from typing import Any

import torch
from mmengine.hooks import Hook
from mmengine.runner import Runner

from mmpldc.registry import HOOKS
from mmpldc.utils.unwrapping import unwrapped


@HOOKS.register_module()
class FastBackboneHook(Hook):
    """Run the backbones of student and teacher in another memory format, or compiled.

    Outputs are the same up to rounding. The gain depends on the machine, see docs/performance.md.
    Use it for frozen backbones: DDP lays out the gradients of a trained backbone before this hook
    runs, and would copy them between formats at each step.

    Args:
        channels_last: keep weights, and so feature maps, as (batch, height, width, channel).
        compile: compile the backbone by ``torch.compile``; the first steps take longer.
    """

    priority = 'HIGH'  # before MeanTeacherHook shares the frozen parameters

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
