"""Pixel-level mask uncertainty (PMUA, Eqs. 10 and 11)."""

import torch.nn.functional as F
from torch import Tensor


def mask_uncertainty(mask_logits: Tensor) -> Tensor:
    """Uncertainty u = 1 - 2 |sigmoid(q) - 0.5| of the teacher's mask at each pixel (Eq. 10).

    Args:
        mask_logits: float logits, any shape.

    Returns:
        float32 of the same shape in [0, 1]: 1 on the decision boundary, 0 where the mask is
        certain. A NaN stays a NaN.

    Examples:
        >>> mask_uncertainty(torch.tensor([-torch.inf, 0.0, torch.inf]))
        tensor([0., 1., 0.])
    """
    return 1 - 2 * (mask_logits.float().sigmoid() - 0.5).abs()


def uncertainty_weighted_bce(
    pred_logits: Tensor, target: Tensor, uncertainty: Tensor | None = None
) -> Tensor:
    """Binary cross-entropy per point, weighted by the target's certainty 1 - u (Eq. 11's summand).

    The caller averages over points and masks as for the unweighted loss: Eq. 11 divides by the
    number of pixels, not by the sum of the weights.

    Args:
        pred_logits: the student's mask logits, float, any shape.
        target: the pseudo-mask at the same points, float in [0, 1], same shape.
        uncertainty: u of the pseudo-mask at the same points, float in [0, 1], same shape;
            ``None`` for ground truth, whose pixels all weigh 1.

    Returns:
        float32 loss of the same shape, not reduced.

    Examples:
        >>> uncertainty_weighted_bce(torch.zeros(2), torch.ones(2), torch.tensor([0.0, 0.5]))
        tensor([0.6931, 0.3466])
    """
    loss = F.binary_cross_entropy_with_logits(pred_logits.float(), target.float(), reduction='none')
    return loss if uncertainty is None else (1 - uncertainty.float()) * loss
