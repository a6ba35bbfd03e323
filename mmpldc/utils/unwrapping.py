"""The model inside of DDP."""

from mmengine.model import is_model_wrapper
from torch import nn


def unwrapped(model: nn.Module) -> nn.Module:
    """A Runner's model without the wrapper of distributed training, if it has one."""
    return model.get_submodule('module') if is_model_wrapper(model) else model
