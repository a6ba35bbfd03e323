"""Reading maps at the loss's points."""

import torch
from torch import Tensor


def sample_points(maps: Tensor, index: Tensor, points: Tensor) -> Tensor:
    """Bilinear values of chosen maps at points, without copying the maps or casting them to float.

    Equals ``F.grid_sample(maps[index].float(), 2 * points - 1, align_corners=False)`` with zero
    padding, but reads only the four neighbours of each point. Gives no gradient to ``maps``.

    Args:
        maps: ``(T, H, W)`` of any real dtype, e.g. uint8 masks or float logits.
        index: ``(K,)`` int64, which map each row of ``points`` reads.
        points: ``(K, P, 2)`` float, (x, y) in [0, 1] of the map's frame.

    Returns:
        ``(K, P)`` float32.
    """
    height, width = maps.shape[-2:]
    flat = maps.detach().reshape(-1)
    offset = (index * (height * width))[:, None]
    points = points.float()
    x, y = points[..., 0] * width - 0.5, points[..., 1] * height - 0.5
    left, top = x.floor(), y.floor()
    right_share, bottom_share = x - left, y - top
    value = torch.zeros_like(x)
    for column, x_share in ((left, 1 - right_share), (left + 1, right_share)):
        for row, y_share in ((top, 1 - bottom_share), (top + 1, bottom_share)):
            inside = (column >= 0) & (column < width) & (row >= 0) & (row < height)
            position = row.clamp(0, height - 1).long() * width + column.clamp(0, width - 1).long()
            value += x_share * y_share * inside * flat[offset + position]
    return value
