"""Losses and scores that follow the predicted quality of a label (PAIS)."""

import torch
import torch.nn.functional as F
from torch import Tensor


def aligned_weight(
    quality: Tensor, *, scale: float, exponent: float, saturation: float = 1.0
) -> Tensor:
    """A label's weight in PAIS's dynamic aligning loss, scale * min(quality, saturation)^exponent.

    Args:
        quality: float in [0, 1], any shape: the class quality s for the class loss, the predicted
            mask IoU i for the losses of the mask.
        scale: a for the class, b for the mask; 12 and 2.5 in PAIS.
        exponent: gamma, 4 in PAIS.
        saturation: s0, from where on the weight stays; 0.5 for the class in PAIS, none (1) for the
            mask.

    Returns:
        Of the same shape, in [0, scale * saturation^exponent].

    Examples:
        >>> aligned_weight(torch.tensor([0.25, 0.5, 0.9]), scale=16, exponent=4, saturation=0.5)
        tensor([0.0625, 1.0000, 1.0000])
    """
    return scale * quality.clamp(max=saturation) ** exponent


def scale_scores(cls_logits: Tensor, factor_logits: Tensor) -> Tensor:
    """Class logits whose foreground probabilities are all multiplied by one factor.

    What the classes lose, "no object" gets.

    Args:
        cls_logits: ``(..., N + 1)`` float, the last column is "no object".
        factor_logits: ``(...)`` float, the factor is their sigmoid.

    Returns:
        ``(..., N + 1)`` float32 log-probabilities.

    Examples:
        >>> scale_scores(torch.zeros(1, 3), torch.zeros(1)).exp()  # two classes, factor 0.5
        tensor([[0.1667, 0.1667, 0.6667]])
    """
    log_probability = cls_logits.float().log_softmax(dim=-1)
    factor_logits = factor_logits.float()[..., None]
    foreground = log_probability[..., :-1] + F.logsigmoid(factor_logits)
    lost = log_probability[..., :-1].logsumexp(dim=-1, keepdim=True)
    lost = lost + F.logsigmoid(-factor_logits)
    return torch.cat([foreground, torch.logaddexp(log_probability[..., -1:], lost)], dim=-1)
