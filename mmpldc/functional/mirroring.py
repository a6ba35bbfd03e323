"""Mirror the contents of a padded batch."""

import torch
import torch.nn.functional as F
from torch import Tensor


def mirror_content(maps: Tensor, share: Tensor, *, padding: str = 'zeros') -> Tensor:
    """Mirror each image of a padded batch from left to right, within its own width.

    The padding stays on the right. Applied twice, it gives the content back; at the stride of a map
    the content's edge may lie within a cell, and values are then interpolated.

    Args:
        maps: ``(B, C, h, w)`` float, images or maps at any stride, the content at the left.
        share: ``(B,)`` float in (0, 1], the content's part of the width.
        padding: values where nothing is mirrored to: 'zeros', or 'border' for the nearest ones.

    Returns:
        ``(B, C, h, w)``, of the dtype of ``maps``.

    Examples:
        >>> row = torch.tensor([[[[1.0, 2.0, 3.0, 0.0]]]])
        >>> mirror_content(row, torch.tensor([0.75]))
        tensor([[[[3., 2., 1., 0.]]]])
    """
    share = share.to(maps.device, torch.float64)
    size = len(maps), 2, 3
    affine = torch.zeros(size, dtype=torch.float64, device=maps.device)
    affine[:, 0, 0] = -1  # in [-1, 1] over the padded width: x becomes 2 share - 2 - x
    affine[:, 0, 2] = 2 * share - 2
    affine[:, 1, 1] = 1
    grid = F.affine_grid(affine, list(maps.shape), align_corners=False).to(maps.dtype)
    return F.grid_sample(maps, grid, padding_mode=padding, align_corners=False)
