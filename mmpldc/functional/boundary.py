"""Where a predicted mask has its boundary, as a weight of pixels (Noisy Boundaries)."""

import torch.nn.functional as F
from torch import Tensor

EPSILON = 1e-6  # of a probability; a mask without any boundary weighs all pixels alike


def boundary_map(mask_logits: Tensor) -> Tensor:
    """Absolute 3 x 3 Laplacian (centre 8, its neighbours -1) of the mask's probabilities.

    Args:
        mask_logits: ``(K, h, w)`` float.

    Returns:
        g, ``(K, h, w)`` float32 in [0, 8], without gradient; large where the probability bends.

    Note:
        The map goes on beyond its edge as it is at the edge. The released code pads with zeros, so
        that a mask cut off by the edge has a boundary there.

    Examples:
        >>> boundary_map(torch.tensor([[[-9.0, -9.0, 9.0, 9.0]]])).round()
        tensor([[[0., 3., 3., 0.]]])
    """
    probability = mask_logits.detach().float().sigmoid()[:, None]
    padded = F.pad(probability, (1, 1, 1, 1), mode='replicate')
    # 9 |mean of the nine - p|; in place, for these are the largest tensors of the loss
    return F.avg_pool2d(padded, 3, stride=1).sub_(probability).abs_().mul_(9).squeeze(1)


def boundary_weights(boundary: Tensor, *, scale: float) -> Tensor:
    """Weights of a mask's pixels: ``scale`` on average, in proportion to the boundary map.

    Args:
        boundary: g at P places of each mask, ``(K, P)`` float, at least 0.
        scale: 3 in Noisy Boundaries.

    Returns:
        ``(K, P)`` float, ``scale * g / mean(g)``; all ``scale`` for a mask without boundary.

    Examples:
        >>> boundary_weights(torch.tensor([[0.0, 1.0, 3.0, 0.0]]), scale=3).round()
        tensor([[0., 3., 9., 0.]])
    """
    boundary = boundary + EPSILON
    return scale * boundary / boundary.mean(dim=-1, keepdim=True)
