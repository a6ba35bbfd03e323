"""Dropout of whole channels of the backbone's maps, for some of a batch's images (UniMatch)."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor

from .student_view import StudentView


class ChannelDropout(NamedTuple):
    """Which images of a batch lose channels, all on the CPU.

    Attributes:
        share: ``(N,)`` float, of the channels that each image loses.
        mirrored: ``(N,)`` int64, the image whose draw each one has the opposite of; itself for a
            draw of its own.
        is_complementary: whether all maps lose the same channels (V2); else the first and the last
            one lose channels of their own (V1).
    """

    share: Tensor
    mirrored: Tensor
    is_complementary: bool = False

    def __call__(self, maps: Sequence[Any]) -> list[Any]:
        """Drop channels.

        Args:
            maps: ``(N, D_i, H_i, W_i)`` each, or lists of such a map and a class token.
        """
        if not bool((self.share > 0).any()):
            return list(maps)
        places = range(len(maps)) if self.is_complementary else (0, len(maps) - 1)
        dropped, factors = list(maps), None
        for place in dict.fromkeys(places):
            has_token = not isinstance(maps[place], Tensor)
            first = maps[place][0] if has_token else maps[place]
            if factors is None or not self.is_complementary:
                factors = channel_factors(first, self.share, self.mirrored)
            scaled = first * factors[:, :, None, None]
            dropped[place] = [scaled, *maps[place][1:]] if has_token else scaled
        return dropped


def channel_dropout(views: Sequence[StudentView], sizes: Sequence[int]) -> ChannelDropout:
    """Draw which images lose channels.

    Args:
        views: of the student.
        sizes: numbers of labelled images, which lose nothing, and of the images of each view.

    Note:
        UniMatch V2 drops half of the channels of one strong view, and the other half of the other
        one, for a random half of the images.
    """
    total = sum(sizes)
    share, mirrored = torch.zeros(total), torch.arange(total)
    starts: dict[str, int] = {}
    position = sizes[0]
    is_complementary = any(view.complements for view in views)
    undropped = torch.randperm(sizes[-1])[: sizes[-1] // 2] if is_complementary else None
    for view, number in zip(views, sizes[1:], strict=True):
        rows = slice(position, position + number)
        share[rows] = view.feature_dropout
        if undropped is not None:
            share[position + undropped] = 0.0
        if view.complements is not None:
            start = starts[view.complements]
            mirrored[rows] = torch.arange(start, start + number)
        starts[view.view] = position
        position += number
    return ChannelDropout(share, mirrored, is_complementary)


def channel_factors(feature_map: Tensor, share: Tensor, mirrored: Tensor) -> Tensor:
    """Factors of dropout of whole channels, ``(N, D)``: 0 or 1 / (1 - share).

    Args:
        feature_map: ``(N, D, H, W)``.
        share: ``(N,)`` float on the CPU, of the channels that each image loses.
        mirrored: ``(N,)`` int64 on the CPU, the image whose draw each one has the opposite of;
            itself for a draw of its own.
    """
    keep = (1 - share).to(feature_map.device, feature_map.dtype, non_blocking=True)[:, None]
    draw = torch.rand(feature_map.shape[:2], device=feature_map.device)
    index = torch.arange(len(mirrored))
    if not torch.equal(mirrored, index):
        is_own = (mirrored == index).to(draw.device, non_blocking=True)[:, None]
        draw = draw.where(is_own, 1 - draw[mirrored.to(draw.device, non_blocking=True)])
    return (draw < keep) / keep
