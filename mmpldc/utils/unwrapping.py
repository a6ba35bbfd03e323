"""Unwrap a model from DDP."""

from mmengine.model import is_model_wrapper
from torch import nn


def unwrapped(model: nn.Module) -> nn.Module:
    """Return a Runner's model without its wrapper for distributed training, if it has one."""
    return model.get_submodule('module') if is_model_wrapper(model) else model
