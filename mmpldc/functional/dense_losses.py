"""Losses of pixels: how each method averages the cross-entropy over those that count."""

import torch.nn.functional as F
from torch import Tensor

IGNORE = 255  # the label of a pixel without one


def pixel_cross_entropy(logits: Tensor, labels: Tensor) -> Tensor:
    """Cross-entropy of each pixel.

    Args:
        logits: ``(B, C, H, W)`` float, of the student.
        labels: ``(B, H, W)`` int64 in [0, C), or 255 for no label.

    Returns:
        ``(B, H, W)`` float32, 0 where there is no label.

    Examples:
        >>> import torch
        >>> logits = torch.tensor([[[[2.0, 0.0]], [[0.0, 1.0]], [[0.0, 0.0]]]])
        >>> pixel_cross_entropy(logits, torch.tensor([[[0, 255]]]))
        tensor([[[0.2395, 0.0000]]])
    """
    return F.cross_entropy(logits.float(), labels, reduction='none', ignore_index=IGNORE)


def reliable_mean(
    losses: Tensor, reliable: Tensor, *, num_valid: Tensor, num_reliable: Tensor
) -> Tensor:
    """U2PL's L_u: the mean over reliable pixels, times valid pixels / reliable pixels.

    With V and K the mean numbers of a rank, this rank's share is (V / K) sum / K, of which DDP's
    mean over ranks is the loss of all images in one batch.

    Args:
        losses: ``(B, H, W)`` float, see :func:`pixel_cross_entropy`.
        reliable: ``(B, H, W)`` bool.
        num_valid: V, scalar float: valid pixels, the mean over ranks.
        num_reliable: K, scalar float: reliable pixels, the mean over ranks.

    Returns:
        Scalar; 0 if no pixel is reliable.

    Note:
        The released code counts padding as valid, and divides by each rank's own numbers.

    Examples:
        >>> import torch
        >>> losses = torch.tensor([[[0.3, 0.5, 0.1, 0.9]]])
        >>> reliable = torch.tensor([[[True, True, True, False]]])
        >>> numbers = dict(num_valid=torch.tensor(4.0), num_reliable=torch.tensor(3.0))
        >>> round(reliable_mean(losses, reliable, **numbers).item(), 3)
        0.4
    """
    total = losses.where(reliable, 0.0).sum()
    known = num_reliable > 0
    number = num_reliable.where(known, 1.0)
    return (total * num_valid / number**2).where(known, 0.0)


def image_mean(
    losses: Tensor, counted: Tensor, valid: Tensor, weights: Tensor | None = None
) -> Tensor:
    """iMAS's loss: each image's sum over the pixels that count / valid pixels, times its weight.

    Args:
        losses: ``(B, H, W)`` float, see :func:`pixel_cross_entropy`.
        counted: ``(B, H, W)`` bool, confident pixels.
        valid: ``(B, H, W)`` bool, False for padding, which never counts.
        weights: ``(B,)`` float, each image's ease h; None: 1.

    Returns:
        Scalar, the mean over images.

    Note:
        The released code divides by all pixels of an image, padding included.

    Examples:
        >>> import torch
        >>> losses = torch.tensor([[[0.2, 0.6]]])
        >>> counted = torch.tensor([[[True, False]]])
        >>> image_mean(losses, counted, losses > 0, torch.tensor([0.5]))
        tensor(0.0500)
    """
    totals = losses.where(counted & valid, 0.0).sum(dim=(1, 2))
    means = totals / valid.sum(dim=(1, 2)).clamp(min=1)
    return means.mean() if weights is None else (weights * means).mean()


def valid_mean(losses: Tensor, counted: Tensor, *, num_valid: Tensor) -> Tensor:
    """UniMatch's loss: the sum over the pixels that count / valid pixels.

    Args:
        losses: ``(B, H, W)`` float, see :func:`pixel_cross_entropy`.
        counted: ``(B, H, W)`` bool, confident pixels that are no padding.
        num_valid: scalar float, pixels of the batch that are no padding; the mean over ranks, so
            that DDP's mean is the loss of all images in one batch.

    Returns:
        Scalar.

    Examples:
        >>> import torch
        >>> losses = torch.tensor([[[0.2, 0.6, 0.5]]])
        >>> counted = torch.tensor([[[True, False, False]]])
        >>> round(valid_mean(losses, counted, num_valid=torch.tensor(2.0)).item(), 4)
        0.1
    """
    return losses.where(counted, 0.0).sum() / num_valid.clamp(min=1)


def hard_pixel_mean(
    logits: Tensor, labels: Tensor, *, max_probability: float, min_kept: int
) -> Tensor:
    """Online hard example mining: the mean cross-entropy of the pixels that are not easy.

    Kept are pixels whose label has at most ``max_probability``, and of all pixels at least the
    ``min_kept`` least probable ones.

    Args:
        logits: ``(B, C, H, W)`` float.
        labels: ``(B, H, W)`` int64 in [0, C), or 255 for no label.
        max_probability: 0.7 in U2PL, iMAS and UniMatch.
        min_kept: pixels of the batch of a rank; 100,000 in U2PL and iMAS, 200,000 in UniMatch. With
            fewer labelled ones all are kept.

    Returns:
        Scalar float32, divided by the number of pixels kept; 0 without labels.

    Note:
        mmsegmentation's ``OHEMPixelSampler`` divides by all pixels, so that the loss shrinks with
        the number of easy ones, and counts ``min_kept`` for each image.

    Examples:
        >>> import torch
        >>> logits = torch.tensor([[[[9.0, 0.0]], [[0.0, 0.0]]]])
        >>> labels = torch.tensor([[[0, 1]]])
        >>> round(hard_pixel_mean(logits, labels, max_probability=0.7, min_kept=1).item(), 4)
        0.6931
    """
    losses = pixel_cross_entropy(logits, labels)
    has_label = labels != IGNORE
    probability = (-losses.detach()).exp().masked_fill(~has_label, 2.0).flatten()
    threshold = probability.new_full((), 2.0)
    if 0 < min_kept <= len(probability):
        threshold = probability.kthvalue(min_kept).values.clamp(min=max_probability)
    elif min_kept <= 0:
        threshold = probability.new_full((), max_probability)
    kept = has_label & (probability.view_as(losses) <= threshold)
    return losses.where(kept, 0.0).sum() / kept.sum().clamp(min=1)
