"""U2PL's memory bank: past negatives of each class, the same on all ranks."""

from collections.abc import Sequence
from itertools import accumulate
from typing import Any

import torch
import torch.nn.functional as F
from mmengine.dist import all_gather
from torch import Tensor, nn


class MemoryBank(nn.Module):
    """A first-in-first-out queue of keys for each class, a ring in one tensor.

    All ranks append the keys of all, in the order of ranks, so that all hold the same. The buffers
    are part of the state dict: a resumed run goes on with what was in the bank. They take
    ``sum(capacities) * channels`` numbers there; U2PL's on VOC (30,000 keys, 50,000 of the
    background, 256 channels) 666 MB in float32, half of it in float16.

    Keys are stored with length 1, for only their cosines are used.

    Note:
        The released code keeps the bank out of its checkpoints, so that a resumed run starts with
        an empty one, and gathers and copies class by class.

    Args:
        capacities: most keys of each of C classes; U2PL has 30,000, and 50,000 of class 0.
        channels: D, 256 in U2PL.
        dtype: of what is stored, ``'float32'`` or ``'float16'``.

    Raises:
        ValueError: if a capacity is below 1, or the dtype another one.

    Attributes:
        keys: ``(sum(capacities) + 1, D)``, class by class; the last row is always 0.
        filled: ``(C,)`` int64, keys that a class has.
        next_row: ``(C,)`` int64, where a class's next key goes, counted from its first row.
    """

    keys: Tensor
    filled: Tensor
    next_row: Tensor
    capacities: Tensor
    first_rows: Tensor

    def __init__(self, capacities: Sequence[int], channels: int, *, dtype: str = 'float32') -> None:
        super().__init__()
        if not capacities or min(capacities) < 1:
            raise ValueError(f'capacities must be at least 1, got {list(capacities)}')
        if dtype not in ('float32', 'float16'):
            raise ValueError(f"dtype must be 'float32' or 'float16', got {dtype!r}")
        first_rows = [0, *accumulate(capacities)]
        zeros = torch.zeros(len(capacities), dtype=torch.int64)
        keys = torch.zeros(first_rows[-1] + 1, channels, dtype=getattr(torch, dtype))
        self.register_buffer('keys', keys)
        self.register_buffer('filled', zeros)
        self.register_buffer('next_row', zeros.clone())
        self.register_buffer('capacities', torch.tensor(list(capacities)), persistent=False)
        self.register_buffer('first_rows', torch.tensor(first_rows[:-1]), persistent=False)

    @torch.no_grad()
    def append(self, keys: Tensor, drawn: Tensor) -> None:
        """Add the keys of all ranks; every rank must call it, with the same shapes.

        One collective of ``C * K * (D + 1)`` numbers a rank. Nothing waits for the device.

        Args:
            keys: ``(C, K, D)`` float, candidates of each class.
            drawn: ``(C, K)`` bool, those that are to be added; of more than a class can hold the
                last ones. A key with a NaN or an infinity is left out.
        """
        is_usable = drawn & keys.isfinite().all(dim=-1)
        keys = F.normalize(keys.float().where(is_usable[..., None], 0.0), dim=-1)
        own = torch.cat([keys, is_usable[..., None]], dim=-1).to(self.keys.dtype)
        of_ranks = torch.cat(all_gather(own), dim=1)
        keys, is_usable = of_ranks[..., :-1], of_ranks[..., -1] > 0

        position = is_usable.cumsum(dim=1) - 1
        added = is_usable.sum(dim=1)
        is_kept = is_usable & (position >= (added - self.capacities)[:, None])
        row = (self.next_row[:, None] + position) % self.capacities[:, None]
        row = (self.first_rows[:, None] + row).where(is_kept, len(self.keys) - 1)
        self.keys.index_copy_(0, row.flatten(), keys.where(is_kept[..., None], 0.0).flatten(0, 1))
        self.next_row.copy_((self.next_row + added) % self.capacities)
        self.filled.copy_(torch.minimum(self.filled + added, self.capacities))

    def draw(self, *shape: int) -> tuple[Tensor, Tensor]:
        """Random keys of each class, with replacement.

        Args:
            *shape: of what is drawn for a class, (M, K) for K negatives of M anchors.

        Returns:
            Keys ``(C, *shape, D)`` float32 of length 1, and classes that have any ``(C,)`` bool;
            what is drawn for the others has no meaning.
        """
        per_class = (-1, *[1] * len(shape))
        filled, first = self.filled.view(per_class), self.first_rows.view(per_class)
        place = torch.rand(len(self.filled), *shape, device=filled.device) * filled
        place = torch.minimum(place.long(), (filled - 1).clamp(min=0))
        return F.embedding(first + place, self.keys).float(), self.filled > 0

    def of_class(self, label: int) -> Tensor:
        """The keys of a class, oldest first, ``(n, D)`` float32; waits for the device."""
        filled, capacity = int(self.filled[label]), int(self.capacities[label])
        oldest = int(self.next_row[label]) - filled
        rows = torch.arange(oldest, oldest + filled, device=self.keys.device) % capacity
        return self.keys[self.first_rows[label] + rows].float()

    def _load_from_state_dict(
        self,
        state_dict: dict[str, Any],
        prefix: str,
        local_metadata: dict,
        strict: bool,
        missing_keys: list[str],
        *args: Any,
    ) -> None:
        """As the parent; a checkpoint without a bank, of another method, leaves it empty."""
        super()._load_from_state_dict(
            state_dict, prefix, local_metadata, strict, missing_keys, *args
        )
        own = {prefix + name for name in ('keys', 'filled', 'next_row')}
        if not own & state_dict.keys():
            missing_keys[:] = [key for key in missing_keys if key not in own]
