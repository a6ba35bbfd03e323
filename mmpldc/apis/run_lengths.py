"""Predictions with masks as run lengths, for files and for drawing."""

from collections.abc import Iterator, Sequence
from typing import Any, overload

import numpy as np
import torch
from mmengine.structures import InstanceData
from pycocotools import mask as coco_mask
from torch import Tensor

from mmpldc.utils.run_lengths import encode_masks


def with_run_lengths(instances: InstanceData) -> InstanceData:
    """Return predictions whose masks are run lengths, on the CPU.

    Args:
        instances: ``bboxes``, ``labels``, ``scores`` and maybe ``masks``, ``(K, H, W)`` bool or K
            run lengths.
    """
    masks = instances.get('masks')
    own = instances.cpu()
    if not isinstance(masks, Tensor):
        return own
    fields = {name: own[name] for name in own.keys() if name != 'masks'}  # noqa: SIM118
    return InstanceData(**fields, masks=encode_masks(masks))


def as_plain(instances: InstanceData) -> dict[str, list]:
    """Return predictions as plain values, as mmdet's inferencer writes them to JSON.

    Args:
        instances: see :func:`with_run_lengths`, with its masks.
    """
    plain: dict[str, list] = {
        name: instances[name].tolist() for name in ('labels', 'scores', 'bboxes')
    }
    if 'masks' in instances:
        plain['masks'] = [
            dict(size=list(rle['size']), counts=rle['counts'].decode()) for rle in instances.masks
        ]
    return plain


class DecodedMasks(Sequence):
    """Masks that are decoded one at a time, each when it is asked for.

    Args:
        run_lengths: of K masks.
    """

    def __init__(self, run_lengths: Sequence[dict]) -> None:
        self.run_lengths = run_lengths

    def __len__(self) -> int:
        return len(self.run_lengths)

    @overload
    def __getitem__(self, index: int) -> np.ndarray: ...
    @overload
    def __getitem__(self, index: slice) -> 'DecodedMasks': ...
    def __getitem__(self, index: Any) -> Any:
        """Mask ``(H, W)`` bool."""
        if isinstance(index, slice):
            return DecodedMasks(self.run_lengths[index])
        return coco_mask.decode(self.run_lengths[index]).astype(bool)

    def __iter__(self) -> Iterator[np.ndarray]:
        return (self[index] for index in range(len(self)))

    def tensor(self) -> Tensor:
        """All of them, ``(K, H, W)`` bool; at least one."""
        return torch.from_numpy(np.stack(list(self)))
