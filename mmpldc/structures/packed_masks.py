"""Pack the instance masks of an image into one small tensor."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from mmdet.structures.mask.structures import BaseInstanceMasks
from torch import Tensor


class PackedMasks:
    """Instance masks with eight pixels per byte, for ``InstanceData.masks`` in training.

    mmdet's ``BitmapMasks`` are NumPy arrays with one byte per pixel: workers send them through a
    pipe, and they cannot be pinned. This tensor can be shared by workers, pinned and moved to a
    device. :meth:`pad`, which mmdet's preprocessor calls, takes no time.

    Args:
        bits: ``(G, h, ceil(w / 8))`` uint8, the leftmost pixel in the highest bit.
        size: (h, w) of the masks.
        padded_size: (H, W) of the output of :meth:`unpack`, by default ``size``.
    """

    def __init__(
        self, bits: Tensor, size: tuple[int, int], padded_size: tuple[int, int] | None = None
    ) -> None:
        self.bits = bits
        self.size = (size[0], size[1])
        self.padded_size = self.size if padded_size is None else (padded_size[0], padded_size[1])

    @classmethod
    def pack(cls, masks: BaseInstanceMasks) -> 'PackedMasks':
        """Pack mmdet's ``BitmapMasks`` or ``PolygonMasks``; non-zero pixels are inside."""
        bits = np.packbits(masks.to_ndarray(), axis=-1)
        return cls(torch.from_numpy(bits), (masks.height, masks.width))

    def __len__(self) -> int:
        return len(self.bits)

    def __getitem__(self, index: Tensor | slice) -> 'PackedMasks':
        return PackedMasks(self.bits[index], self.size, self.padded_size)

    @staticmethod
    def cat(parts: Sequence['PackedMasks']) -> 'PackedMasks':
        """Concatenate masks of one size; ``InstanceData`` uses this to index and to join."""
        bits = torch.cat([part.bits for part in parts])
        return PackedMasks(bits, parts[0].size, parts[0].padded_size)

    def pad(self, out_shape: tuple[int, int], pad_val: int = 0) -> 'PackedMasks':
        """Pad on the right and at the bottom, with pixels outside of all masks.

        Args:
            out_shape: (H, W) after padding.
            pad_val: must be 0.

        Raises:
            ValueError: if ``pad_val`` is not 0.
        """
        if pad_val != 0:
            raise ValueError(f'masks are padded with 0, not {pad_val}: set mask_pad_value=0')
        return PackedMasks(self.bits, self.size, out_shape)

    def to(self, *args: Any, **kwargs: Any) -> 'PackedMasks':
        """Move or convert as ``Tensor.to`` does."""
        return PackedMasks(self.bits.to(*args, **kwargs), self.size, self.padded_size)

    def pin_memory(self) -> 'PackedMasks':
        """Pin as ``Tensor.pin_memory`` does."""
        return PackedMasks(self.bits.pin_memory(), self.size, self.padded_size)

    def unpack(self) -> Tensor:
        """Return padded masks, ``(G, H, W)`` uint8 of 0 and 1, on the device of ``bits``."""
        height, width = self.size
        # NumPy is ten times faster on a CPU than PyTorch's operators
        unpack_bits = _unpack_by_numpy if self.bits.device.type == 'cpu' else _unpack_by_torch
        pixels = unpack_bits(self.bits, width)
        if self.padded_size == self.size:
            return pixels
        return F.pad(pixels, (0, self.padded_size[1] - width, 0, self.padded_size[0] - height))


def unpack_masks(masks: PackedMasks | BaseInstanceMasks, device: torch.device) -> Tensor:
    """Pixels of an image's masks, ``(G, H, W)`` uint8 of 0 and 1, without waiting for them."""
    if isinstance(masks, PackedMasks):
        return masks.to(device, non_blocking=True).unpack()
    pixels = masks.to_ndarray().astype(np.uint8, copy=False)
    # No wait: a copy from pageable memory returns once the host memory has been read.
    return torch.from_numpy(pixels).to(device, non_blocking=True)


def _unpack_by_numpy(bits: Tensor, width: int) -> Tensor:
    return torch.from_numpy(np.unpackbits(bits.numpy(), axis=-1, count=width))


def _unpack_by_torch(bits: Tensor, width: int) -> Tensor:
    shifts = torch.arange(7, -1, -1, dtype=torch.uint8, device=bits.device)
    return (bits[..., None] >> shifts & 1).flatten(2)[..., :width]
