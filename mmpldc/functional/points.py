"""Reading maps at the loss's points."""

import torch
import torch.nn.functional as F
from torch import Tensor

MAX_POINTS = 2**22  # of all maps at a time, a bound on memory


def point_sample(maps: Tensor, points: Tensor) -> Tensor:
    """Bilinear values of maps at points, zero outside; mmcv's function of this name.

    Args:
        maps: ``(K, C, H, W)`` float.
        points: ``(K, P, 2)`` float, (x, y) in [0, 1] of the maps' frame.

    Returns:
        ``(K, C, P)``.

    Examples:
        >>> point_sample(torch.eye(2).view(1, 1, 2, 2), torch.tensor([[[0.25, 0.25], [0.5, 0.5]]]))
        tensor([[[1.0000, 0.5000]]])
    """
    grid = points.unsqueeze(2) * 2.0 - 1.0
    return F.grid_sample(maps, grid, align_corners=False).squeeze(3)


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

    Examples:
        >>> masks = torch.tensor([[[1, 0], [0, 1]]], dtype=torch.uint8)
        >>> sample_points(masks, torch.tensor([0]), torch.tensor([[[0.25, 0.25], [0.5, 0.5]]]))
        tensor([[1.0000, 0.5000]])
    """
    rows = _rows_at_once(points.shape[1])
    parts = [
        _sample_points(maps, few, own)
        for few, own in zip(index.split(rows), points.split(rows), strict=True)
    ]
    return torch.cat(parts)


def _sample_points(maps: Tensor, index: Tensor, points: Tensor) -> Tensor:
    height, width = maps.shape[-2:]
    flat = maps.detach().reshape(-1)
    first = (index * (height * width))[:, None]
    points = points.float()
    columns = _neighbours(points[..., 0] * width - 0.5, width)
    rows = _neighbours(points[..., 1] * height - 0.5, height)
    value = torch.zeros_like(points[..., 0])
    for row, row_share in rows:
        row = row * width + first
        for column, column_share in columns:
            position = (row + column).flatten()
            value += row_share * column_share * flat.index_select(0, position).view_as(value)
    return value


def _neighbours(position: Tensor, length: int) -> tuple[tuple[Tensor, Tensor], ...]:
    """The two cells around each position along an axis, and their shares; 0 outside of the map."""
    lower = position.floor()
    share = position - lower
    lower = lower.long()
    upper = lower + 1
    return (
        (lower.clamp(0, length - 1), (1 - share) * ((lower >= 0) & (lower < length))),
        (upper.clamp(0, length - 1), share * ((upper >= 0) & (upper < length))),
    )


def uncertain_points(
    maps: Tensor, num_points: int, *, oversample_ratio: float, importance_ratio: float
) -> Tensor:
    """Points for the mask losses, most of them where the prediction is least certain (PointRend).

    Draws ``oversample_ratio`` times as many points as wanted, keeps those with the logit closest to
    zero, and adds random ones: mmdet's ``get_uncertain_point_coords_with_randomness``, in another
    order, for the same state of the random generator (up to 2**22 drawn points).

    Args:
        maps: mask logits ``(K, H, W)``.
        num_points: P, of each map.
        oversample_ratio: 3 in Mask2Former.
        importance_ratio: share of the points that are chosen, 0.75 in Mask2Former; the others are
            random.

    Returns:
        ``(K, P, 2)`` float32, (x, y) in [0, 1].

    Examples:
        >>> mask_logits = torch.zeros(2, 8, 8)
        >>> uncertain_points(mask_logits, 16, oversample_ratio=3, importance_ratio=0.75).shape
        torch.Size([2, 16, 2])
    """
    rows = _rows_at_once(int(num_points * oversample_ratio))
    parts = [
        _uncertain_points(few, num_points, oversample_ratio, importance_ratio)
        for few in maps.split(rows)
    ]
    return torch.cat(parts)


def _rows_at_once(num_points: int) -> int:
    return max(1, MAX_POINTS // max(num_points, 1))


def _uncertain_points(
    maps: Tensor, num_points: int, oversample_ratio: float, importance_ratio: float
) -> Tensor:
    num_maps, num_drawn = len(maps), int(num_points * oversample_ratio)
    num_chosen = int(importance_ratio * num_points)
    drawn = torch.rand(num_maps, num_drawn, 2, device=maps.device)
    certainty = point_sample(maps.detach()[:, None].float(), drawn).squeeze(1).abs()
    chosen = certainty.topk(num_chosen, largest=False, sorted=False).indices
    chosen = drawn.gather(1, chosen[..., None].expand(-1, -1, 2))
    others = torch.rand(num_maps, num_points - num_chosen, 2, device=maps.device)
    return torch.cat([chosen, others], dim=1)
