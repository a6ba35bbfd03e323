"""Masks between the frame of a padded batch and that of one image."""

import torch.nn.functional as F
from torch import Tensor

Size = tuple[int, int]  # height, width


def resize(maps: Tensor, size: Size) -> Tensor:
    """Bilinear resizing of ``(B, C, h, w)`` float maps, by pixel centres.

    Examples:
        >>> resize(torch.tensor([[[[0.0, 4.0]]]]), (1, 4))
        tensor([[[[0., 1., 3., 4.]]]])
    """
    return F.interpolate(maps, size, mode='bilinear', align_corners=False)


def to_image_frame(
    mask_logits: Tensor, batch_size: Size, image_size: Size, original_size: Size | None
) -> Tensor:
    """Mask logits of a padded batch at the resolution of one image.

    In mmdet's two steps, which one interpolation would not equal.

    Args:
        mask_logits: ``(K, h, w)`` in the frame of the padded batch, at any stride.
        batch_size: (H, W) of that frame.
        image_size: (H, W) of the image in it, at its top left.
        original_size: (H, W) of the image before the pipeline, None to stay in the network's.

    Returns:
        ``(K, H, W)``.

    Examples:
        >>> logits = torch.ones(2, 8, 8)
        >>> to_image_frame(logits, (32, 32), (24, 32), (48, 64)).shape
        torch.Size([2, 48, 64])
    """
    if not len(mask_logits):  # interpolate takes no empty batch
        return mask_logits.new_zeros(0, *(original_size or image_size))
    if mask_logits.shape[-2:] != batch_size:
        mask_logits = resize(mask_logits[None], batch_size)[0]
    height, width = image_size
    mask_logits = mask_logits[:, :height, :width]
    if original_size is not None:
        mask_logits = resize(mask_logits[:, None], original_size)[:, 0]
    return mask_logits


def to_batch_frame(mask_logits: Tensor, batch_size: Size, image_size: Size) -> Tensor:
    """Mask logits of an image in the frame of the padded batch; padding is outside of every mask.

    Args:
        mask_logits: ``(K, H, W)`` in the image's original frame.
        batch_size: (H, W) of the padded batch.
        image_size: (H, W) of the image in it, at its top left.

    Returns:
        ``(K, *batch_size)``.

    Examples:
        >>> to_batch_frame(torch.ones(1, 2, 2), (3, 4), (2, 2))
        tensor([[[ 1.,  1., -1., -1.],
                 [ 1.,  1., -1., -1.],
                 [-1., -1., -1., -1.]]])
    """
    if not len(mask_logits):
        return mask_logits.new_zeros(0, *batch_size)
    resized = resize(mask_logits[None], image_size)[0]
    (height, width), (own_height, own_width) = batch_size, image_size
    return F.pad(resized, (0, width - own_width, 0, height - own_height), value=-1.0)
