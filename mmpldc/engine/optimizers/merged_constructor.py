"""Merge parameter groups with equal options."""

from collections.abc import Callable, Sequence
from logging import INFO
from typing import Any

from mmengine.config import ConfigDict
from mmengine.logging import print_log
from mmengine.optim import DefaultOptimWrapperConstructor, OptimWrapper
from torch import Tensor, nn
from torch.optim import Optimizer

from mmpldc.registry import OPTIM_WRAPPER_CONSTRUCTORS
from mmpldc.utils.unwrapping import unwrapped

APPLIED = (
    'lr_mult',
    'decay_mult',
)  # mmengine leaves them in a group that they have been applied to


@OPTIM_WRAPPER_CONSTRUCTORS.register_module()
class MergedOptimWrapperConstructor(DefaultOptimWrapperConstructor):
    """mmengine's constructor, with one group for all parameters with equal options.

    mmengine creates a group for each parameter as soon as ``paramwise_cfg`` is set. The
    optimiser's loops over tensors (``foreach``, ``fused``) then see one tensor at a time, and each
    scheduler goes through hundreds of groups. The result of training is the same, bit for bit.

    Frozen parameters, such as the teacher's, are left out; mmengine includes them without
    ``paramwise_cfg``. A parameter that two modules share counts once, as in mmengine.

    Args:
        optim_wrapper_cfg: as in mmengine.
        paramwise_cfg: as in mmengine.

    Note:
        The optimiser's state contains its groups, so a run can only be resumed with the constructor
        it started with. Another constructor raises a ValueError that says so.
    """

    def __init__(
        self, optim_wrapper_cfg: ConfigDict, paramwise_cfg: ConfigDict | None = None
    ) -> None:
        # Without options mmengine would take all parameters; this option changes nothing else.
        super().__init__(optim_wrapper_cfg, paramwise_cfg or dict(bypass_duplicate=True))

    def __call__(self, model: nn.Module) -> OptimWrapper:
        """Build the optimiser and its wrapper.

        Args:
            model: the model, or its parallel wrapper.

        Raises:
            ValueError: if no parameter of the model needs a gradient.
        """
        model = unwrapped(model)
        wrapper = super().__call__(model)
        wrapper.optimizer.register_load_state_dict_pre_hook(_check_groups)
        if hasattr(wrapper, 'clip_func'):  # with clip_grad
            wrapper.clip_func = _in_order(wrapper.clip_func, list(model.parameters()))
        return wrapper

    def add_params(
        self, params: list[dict], module: nn.Module, prefix: str = '', **kwargs: Any
    ) -> None:
        """Collect as the parent, which calls this for each child with its prefix; then merge.

        Modules that are frozen as a whole, such as the teacher, are passed over: mmengine would
        warn of each of their parameters.
        """
        if prefix and not any(parameter.requires_grad for parameter in module.parameters()):
            return
        super().add_params(params, module, prefix=prefix, **kwargs)
        if prefix:
            return
        if not params:
            raise ValueError('no parameter of the model needs a gradient: nothing to optimise')
        self.adjust_groups(params, module)
        params[:] = merge_groups(params, dict(lr=self.base_lr, weight_decay=self.base_wd))
        for group in params:
            options = ', '.join(f'{key}={group[key]}' for key in group if key != 'params')
            print_log(f'{len(group["params"])} parameters: {options}', 'current', INFO)

    def adjust_groups(self, groups: list[dict], model: nn.Module) -> None:
        """Change options in place before groups are merged, for subclasses.

        Args:
            groups: one for each parameter that needs a gradient, with mmengine's options.
            model: the whole model.
        """


def merge_groups(groups: Sequence[dict], defaults: dict[str, Any]) -> list[dict]:
    """Merge parameter groups with equal options.

    Args:
        groups: with ``params`` and options, as ``torch.optim`` takes them; not modified.
        defaults: options of a group that does not give them; None stands for no default.

    Returns:
        New groups in order of first appearance, their parameters in the given order.
    """
    defaults = {key: value for key, value in defaults.items() if value is not None}
    merged: list[tuple[dict, list]] = []
    for group in groups:
        own = {key: value for key, value in group.items() if key not in ('params', *APPLIED)}
        options = defaults | own
        for other_options, params in merged:
            if other_options == options:
                params.extend(group['params'])
                break
        else:
            merged.append((options, list(group['params'])))
    return [dict(params=params, **options) for options, params in merged]


def _in_order(
    clip: Callable[..., Tensor | None], parameters: Sequence[nn.Parameter]
) -> Callable[..., Tensor | None]:
    """Return a clipping function that takes parameters in the model's order.

    The norm of all gradients is a sum of floats, and its last bit depends on the order.
    """
    position = {parameter: index for index, parameter in enumerate(parameters)}

    def clip_in_order(params: Sequence[nn.Parameter], **options: Any) -> Tensor | None:
        return clip(sorted(params, key=position.__getitem__), **options)

    return clip_in_order


def _check_groups(optimizer: Optimizer, state_dict: dict) -> None:
    """Refuse the state of an optimiser with other groups, with more advice than torch gives."""
    own, loaded = (
        [len(group['params']) for group in groups]
        for groups in (optimizer.param_groups, state_dict['param_groups'])
    )
    if own != loaded:
        raise ValueError(
            f'the checkpoint has an optimiser of {len(loaded)} parameter groups ({sum(loaded)} '
            f'parameters), this run one of {len(own)} ({sum(own)}): resume it with the '
            'optim_wrapper.constructor and paramwise_cfg that it was trained with '
            "(mmengine's own is constructor='DefaultOptimWrapperConstructor'), or start anew from "
            'its weights with load_from'
        )
