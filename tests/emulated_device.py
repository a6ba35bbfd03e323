"""A device in name only, to see on a CPU what code would do on an accelerator.

Tensors on it carry the device ``meta`` and keep their values in a CPU tensor. What an accelerator
refuses is refused: tensors of two devices in one operation. What the host waits for is noted:
values that it reads, and copies that are not asynchronous. Kernels, memory and time are not
emulated, and code behind ``is_cuda`` does not run.
"""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from typing import Any

import mmengine.device.utils
import mmengine.structures.instance_data
import numpy as np
import pytest
import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

DEVICE = torch.device('meta')
PACKAGES = ('mmpldc.', 'mmdet.', 'mmengine.', 'mmcv.', 'open_clip.')
# operations whose result, or its shape, the host must know
READS = {
    '_local_scalar_dense',
    '_unique',
    '_unique2',
    'allclose',
    'bincount',
    'equal',
    'histc',
    'is_nonzero',
    'linalg_inv_ex',
    'masked_select',
    'nms',
    'nonzero',
    'unique_consecutive',
    'unique_dim',
}
COPIES = {'_to_copy', 'copy_'}
STRICT = {'cat', 'gather', 'index_select', 'scatter', 'stack'}  # no scalars from the host
INDEXING = {'index', 'index_put', 'index_put_', '_index_put_impl_'}


class DeviceTensor(Tensor):
    """A tensor that says that it lies on ``DEVICE``."""

    @staticmethod
    def __new__(cls, values: Tensor) -> 'DeviceTensor':
        tensor = Tensor._make_wrapper_subclass(
            cls,
            values.shape,
            strides=values.stride(),
            storage_offset=values.storage_offset(),
            dtype=values.dtype,
            layout=values.layout,
            device=DEVICE,
        )
        tensor.on_host = values
        return tensor

    @classmethod
    def __torch_dispatch__(cls, function, types, args=(), kwargs=None):
        raise RuntimeError(f'{function}: only within `emulated_device`')

    def tolist(self) -> list:
        return self.cpu().tolist()

    @property
    def data(self) -> 'DeviceTensor':
        return self.detach()

    @data.setter
    def data(self, other: 'DeviceTensor') -> None:
        assert other.shape == self.shape
        self.on_host = other.on_host

    def data_ptr(self) -> int:
        return self.on_host.data_ptr()

    def __repr__(self) -> str:
        return f'DeviceTensor({self.on_host})'


def is_ours(value: object) -> bool:
    return isinstance(value, DeviceTensor)


def map_tensors(function: Callable[[Tensor], Any], value: Any) -> Any:
    """Of an operation's arguments or results; PyTorch's ``tree_map`` takes ten times as long."""
    if isinstance(value, Tensor):
        return function(value)
    if isinstance(value, list | tuple):
        return type(value)([map_tensors(function, one) for one in value])
    if isinstance(value, dict):
        return {name: map_tensors(function, one) for name, one in value.items()}
    return value


class Emulation(TorchDispatchMode):
    """Runs the operations of the emulated device on the CPU.

    Attributes:
        waits: where the host waits for the device, in order: operation, module and line.
    """

    def __init__(self) -> None:
        super().__init__()
        self.waits: list[str] = []

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        name, kwargs = function.overloadpacket.__name__, dict(kwargs or {})
        tensors: list[Tensor] = []
        map_tensors(tensors.append, (args, kwargs))
        others = [tensor for tensor in tensors if not is_ours(tensor)]
        if any(tensor.device == DEVICE for tensor in others):
            raise NotImplementedError(f'{name}: a tensor was made past the emulation')
        refuse_two_devices(name, args, tensors)
        to_device = len(others) < len(tensors)
        if kwargs.get('device') is not None:
            to_device = torch.device(kwargs['device']) == DEVICE
            kwargs['device'] = 'cpu'
        if is_waited_for(name, args, kwargs, to_device):
            self.waits.append(f'{name} at {place()}')
        if name == '_fused_sdp_choice':
            return 0  # of plain operations
        of_values = {id(tensor.on_host): tensor for tensor in tensors if is_ours(tensor)}
        on_host = map_tensors(lambda leaf: leaf.on_host if is_ours(leaf) else leaf, (args, kwargs))
        result = function(*on_host[0], **on_host[1])
        if not to_device:
            return result

        def wrap(leaf: Tensor) -> DeviceTensor:
            tensor = of_values.get(id(leaf))  # changed in place
            if tensor is not None and tensor.shape != leaf.shape:
                raise NotImplementedError(f'{name}: changes a shape in place')
            return DeviceTensor(leaf) if tensor is None else tensor

        return map_tensors(wrap, result)


def refuse_two_devices(name: str, args: tuple, tensors: list[Tensor]) -> None:
    """Scalars may come from the host, and indices; what is changed must be where the rest is.

    Raises:
        RuntimeError: as an accelerator's.
    """
    if name in COPIES:
        return
    if name in INDEXING:
        tensors = [value for value in (args[0], *args[2:3]) if isinstance(value, Tensor)]
        if not is_ours(args[0]):
            tensors += [index for index in args[1] if index is not None]
    others = [tensor for tensor in tensors if not is_ours(tensor)]
    if not others or len(others) == len(tensors):
        return
    changes_host = name.endswith('_') and not is_ours(args[0])
    if name in STRICT or changes_host or any(tensor.dim() for tensor in others):
        raise RuntimeError(f'{name}: tensors on two devices, at {place()}')


def is_waited_for(name: str, args: tuple, kwargs: dict, to_device: bool) -> bool:
    if name == 'copy_':
        from_device, to_device = is_ours(args[1]), is_ours(args[0])
        asynchronous = args[2] if len(args) > 2 else kwargs.get('non_blocking', False)
        return from_device != to_device and (from_device or not asynchronous)
    if not args or not is_ours(args[0]):
        return name == '_to_copy' and to_device and not kwargs.get('non_blocking')
    if name == '_to_copy':
        return not to_device
    if name in INDEXING:
        indices = [index for index in args[1] if index is not None]
        return any(index.dtype == torch.bool or not is_ours(index) for index in indices)
    if name == 'repeat_interleave':
        return kwargs.get('output_size') is None
    return name in READS


def place() -> str:
    """Module and line of the innermost of ``PACKAGES`` that runs."""
    frame = sys._getframe()
    while frame is not None:
        module = frame.f_globals.get('__name__', '')
        if module.startswith(PACKAGES):
            return f'{module}:{frame.f_lineno}'
        frame = frame.f_back
    return 'a test'


@contextmanager
def emulated_device() -> Iterator[Emulation]:
    """Within, ``meta`` is a device to compute on, the one that mmengine finds."""
    autocast = torch.autocast

    def autocast_elsewhere(device_type: str, *args, **kwargs):
        return (
            nullcontext() if device_type == DEVICE.type else autocast(device_type, *args, **kwargs)
        )

    swap = torch.__future__.get_swap_module_params_on_conversion()
    with pytest.MonkeyPatch.context() as patch, Emulation() as emulation:
        patch.setattr(mmengine.device.utils, 'DEVICE', DEVICE.type)
        patch.setattr(torch, 'autocast', autocast_elsewhere)
        # which names CUDA's types one by one
        index_types = str | slice | int | list | Tensor | np.ndarray
        patch.setattr(mmengine.structures.instance_data, 'IndexType', index_types)
        # modules stay the owners of their parameters, and share what they shared
        torch.__future__.set_swap_module_params_on_conversion(True)
        try:
            yield emulation
        finally:
            torch.__future__.set_swap_module_params_on_conversion(swap)
