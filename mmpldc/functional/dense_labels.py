"""Pseudo-labels of pixels: class, confidence, entropy, and which pixels count."""

from collections.abc import Sequence

import torch
from torch import Tensor

QUANTILE_LIMIT = 2**24  # torch.quantile refuses more elements


def dense_labels(logits: Tensor) -> tuple[Tensor, Tensor]:
    """The class of each pixel and how sure it is.

    Args:
        logits: ``(B, C, H, W)`` float.

    Returns:
        Labels ``(B, H, W)`` int64 in [0, C), and confidence ``(B, H, W)`` float32 in (0, 1], the
        largest probability; NaN where a logit is.

    Examples:
        >>> labels, confidence = dense_labels(torch.tensor([[[[0.0]], [[2.0]]]]))
        >>> labels.item(), round(confidence.item(), 3)
        (1, 0.881)
    """
    confidence, labels = logits.float().softmax(dim=1).max(dim=1)
    return labels, confidence


def label_probabilities(logits: Tensor, labels: Tensor) -> Tensor:
    """The probability of each pixel's label.

    Args:
        logits: ``(B, C, H, W)`` float.
        labels: ``(B, H, W)`` int64 in [0, C), or 255 for no label.

    Returns:
        ``(B, H, W)`` float32 in [0, 1], 0 where there is no label.

    Examples:
        >>> logits = torch.zeros(1, 2, 1, 2)
        >>> label_probabilities(logits, torch.tensor([[[1, 255]]])).tolist()
        [[[0.5, 0.0]]]
    """
    has_label = labels < logits.shape[1]
    index = labels.where(has_label, 0)[:, None]
    probability = logits.float().softmax(dim=1).gather(1, index).squeeze(1)
    return probability.where(has_label, 0.0)


def pixel_entropy(logits: Tensor) -> Tensor:
    """Entropy of each pixel's classes, H = -sum p log(p + 1e-10) (U2PL).

    Args:
        logits: ``(B, C, H, W)`` float.

    Returns:
        ``(B, H, W)`` float32 in [0, log C], natural logarithm; NaN where a logit is.

    Examples:
        >>> round(pixel_entropy(torch.zeros(1, 2, 1, 1)).item(), 4)
        0.6931
    """
    probabilities = logits.float().softmax(dim=1)
    return -(probabilities * (probabilities + 1e-10).log()).sum(dim=1)


def valid_pixels(
    shapes: Sequence[tuple[int, int]], size: tuple[int, int], device: torch.device | str = 'cpu'
) -> Tensor:
    """The pixels of a padded batch that are no padding.

    Args:
        shapes: (h, w) of each of B images, ``img_shape``; padding is on the right and at the
            bottom.
        size: (H, W) of the batch.
        device: where the result lies.

    Returns:
        ``(B, H, W)`` bool.

    Note:
        U2PL's released code labels padding as class 0 and trains on pseudo-labels of it; iMAS's
        does the latter.

    Examples:
        >>> valid_pixels([(1, 2)], (2, 3)).int().tolist()
        [[[1, 1, 0], [0, 0, 0]]]
    """
    # Host to device: two numbers an image, nothing is read back.
    ends = torch.tensor([shape[:2] for shape in shapes]).to(device, non_blocking=True)
    row, column = (torch.arange(side, device=device) for side in size)
    return (row < ends[:, :1])[:, :, None] & (column < ends[:, 1:])[:, None, :]


def valid_quantile(values: Tensor, valid: Tensor, share: Tensor | float) -> Tensor:
    """The value below which a share of the valid pixels lies.

    Equals ``np.percentile(values[valid], 100 * share)``, without waiting for the device. Of more
    than 2**24 pixels an even sample is taken.

    Args:
        values: float, any shape.
        valid: bool, of the same shape.
        share: in [0, 1].

    Returns:
        Scalar float32; NaN if no pixel is valid, with which every comparison is False.

    Examples:
        >>> values = torch.tensor([0.1, 0.4, 0.2, 0.9, 7.0])
        >>> round(valid_quantile(values, values < 1, 0.8).item(), 3)
        0.6
    """
    values = values.float().masked_fill(~valid, torch.nan).flatten()
    step = -(-len(values) // QUANTILE_LIMIT)
    if not isinstance(share, Tensor):
        share = values.new_full((), share)
    return torch.nanquantile(values[::step], share)


def reliable_pixels(
    entropy: Tensor, valid: Tensor, unreliable_share: Tensor | float
) -> tuple[Tensor, Tensor]:
    """U2PL's division of pixels by the entropy percentile gamma_t (Eqs. 5 and 6).

    Args:
        entropy: ``(B, H, W)`` float, of the teacher.
        valid: ``(B, H, W)`` bool, False for padding.
        unreliable_share: alpha_t in [0, 1].

    Returns:
        Reliable and unreliable pixels, each ``(B, H, W)`` bool; padding is neither.

    Note:
        Pixels at the threshold are reliable, which the released code drops: there are reliable
        pixels even if all entropies are equal.

    Examples:
        >>> entropy = torch.tensor([[[0.1, 0.4, 0.2, 0.9]]])
        >>> reliable_pixels(entropy, entropy < 1, 0.2)[0].int().tolist()
        [[[1, 1, 1, 0]]]
    """
    threshold = valid_quantile(entropy, valid, 1 - unreliable_share)
    return valid & (entropy <= threshold), valid & (entropy > threshold)
