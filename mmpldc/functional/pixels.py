"""Back from a network's input to pixels."""

from typing import NamedTuple

import torch
from torch import Tensor


class PixelNormalization(NamedTuple):
    """How a data preprocessor turned pixels into a network's input.

    Attributes:
        mean: ``(C, 1, 1)`` float or a number, subtracted from pixels in [0, 255].
        std: ``(C, 1, 1)`` float or a number, what the difference was divided by.
        is_rgb: whether the channels are in the order RGB; else BGR.
    """

    mean: Tensor | float
    std: Tensor | float
    is_rgb: bool


def unit_rgb(images: Tensor, normalization: PixelNormalization) -> Tensor:
    """Undo a normalisation.

    Args:
        images: ``(B, 3, H, W)`` float, normalised.
        normalization: how.

    Returns:
        ``(B, 3, H, W)`` float32 RGB in [0, 1] (padding, which was 0 after normalisation, becomes
        the mean colour).

    Examples:
        >>> normalization = PixelNormalization(mean=127.5, std=127.5, is_rgb=False)
        >>> unit_rgb(torch.tensor([-1.0, 0.0, 1.0]).view(1, 3, 1, 1), normalization).flatten()
        tensor([1.0000, 0.5000, 0.0000])
    """
    pixels = (images.float() * normalization.std + normalization.mean) / 255
    return pixels if normalization.is_rgb else pixels.flip(1)


def normalize(images: Tensor, *, mean: tuple[float, ...], std: tuple[float, ...]) -> Tensor:
    """Normalise as another network wants it.

    Args:
        images: ``(B, 3, H, W)`` float RGB in [0, 1].
        mean: of that network, per channel, for pixels in [0, 1].
        std: likewise.

    Returns:
        ``(B, 3, H, W)`` float.

    Examples:
        >>> images = torch.full((1, 3, 1, 1), 0.75)
        >>> normalize(images, mean=(0.5, 0.5, 0.25), std=(0.5, 0.25, 0.5)).flatten()
        tensor([0.5000, 1.0000, 1.0000])
    """
    # Host to device: two copies of three numbers, nothing is read back.
    offset, scale = (
        torch.tensor(values).to(images.device, non_blocking=True).view(3, 1, 1)
        for values in (mean, std)
    )
    return (images - offset) / scale
