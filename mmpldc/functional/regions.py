"""What a vision-language model sees of a mask: a crop of its image, or pooled features."""

import torch
import torch.nn.functional as F
from torch import Tensor
from torchvision.ops import roi_align


def resize_masks(mask_logits: Tensor, size: tuple[int, int]) -> Tensor:
    """Binary masks at another resolution, by bilinear interpolation of the logits.

    Made smaller, a thin mask may vanish, as in the released code.

    Args:
        mask_logits: ``(K, h, w)`` float.
        size: (H, W) of the result, in the same frame.

    Returns:
        ``(K, H, W)`` bool, where the probability is above 0.5.

    Examples:
        >>> resize_masks(torch.tensor([[[-1.0, 3.0]]]), (1, 4))
        tensor([[[False, False,  True,  True]]])
    """
    if not len(mask_logits):  # interpolate takes no empty batch
        return mask_logits.new_zeros(0, *size, dtype=torch.bool)
    return F.interpolate(mask_logits[None].float(), size, mode='bilinear')[0] > 0


def mask_boxes(masks: Tensor) -> Tensor:
    """Tight boxes.

    Args:
        masks: ``(K, H, W)`` bool.

    Returns:
        ``(K, 4)`` float32, x1, y1, x2, y2 in pixels, the edges of the outermost pixels (a mask of
        one pixel has a box of size 1); all 0 for an empty mask.

    Examples:
        >>> masks = torch.tensor([[[0, 1, 1, 0]], [[0, 0, 0, 0]]]).bool()
        >>> mask_boxes(masks)
        tensor([[1., 0., 3., 1.],
                [0., 0., 0., 0.]])
    """
    edges = []
    for occupied in (masks.any(dim=1), masks.any(dim=2)):  # columns (K, W), rows (K, H)
        occupied = occupied.to(torch.uint8)
        last = occupied.shape[1] - occupied.flip(1).argmax(dim=1)
        edges.append((occupied.argmax(dim=1), last))
    (left, right), (top, bottom) = edges
    boxes = torch.stack([left, top, right, bottom], dim=1).float()
    return boxes * masks.flatten(1).any(dim=1, keepdim=True)


def context_boxes(boxes: Tensor, *, square: bool, context: float) -> Tensor:
    """Boxes around the same centres with some of the surroundings.

    Args:
        boxes: ``(K, 4)`` float, x1, y1, x2, y2 in pixels.
        square: take the longer side for both.
        context: factor on both sides.

    Returns:
        ``(K, 4)`` float, which may reach out of the image.

    Examples:
        >>> context_boxes(torch.tensor([[10.0, 10.0, 20.0, 30.0]]), square=True, context=1.5)
        tensor([[ 0.,  5., 30., 35.]])
    """
    center = (boxes[:, :2] + boxes[:, 2:]) / 2
    sides = boxes[:, 2:] - boxes[:, :2]
    if square:
        sides = sides.max(dim=1, keepdim=True).values.expand(-1, 2)
    half = sides * (context / 2)
    return torch.cat([center - half, center + half], dim=1)


def crop_regions(images: Tensor, boxes: Tensor, image_index: Tensor, size: int) -> Tensor:
    """All crops in one call, each resized to ``size`` x ``size`` by area averaging.

    Args:
        images: ``(B, C, H, W)`` float. Outside of them is 0.
        boxes: ``(K, 4)`` float, x1, y1, x2, y2 in pixels of the images.
        image_index: ``(K,)`` int64 in [0, B).
        size: side of the crops in pixels.

    Returns:
        ``(K, C, size, size)`` float32.

    Examples:
        >>> image = torch.tensor([[[[1.0, 1.0, 5.0, 7.0], [1.0, 1.0, 5.0, 7.0]]]])
        >>> crop_regions(image, torch.tensor([[2.0, 0.0, 4.0, 2.0]]), torch.tensor([0]), 1)
        tensor([[[[6.]]]])
    """
    rois = torch.cat([image_index[:, None].float(), boxes.float()], dim=1)
    return roi_align(images.float(), rois, size, aligned=True)


def pool_masks(features: Tensor, masks: Tensor, image_index: Tensor) -> Tensor:
    """Mean feature of each mask.

    Args:
        features: ``(B, C, h, w)`` float.
        masks: ``(K, h, w)`` bool, in the frame of ``features``.
        image_index: ``(K,)`` int64 in [0, B), sorted or not.

    Returns:
        ``(K, C)`` float32, 0 for an empty mask.

    Examples:
        >>> features = torch.tensor([[[[1.0, 3.0, 9.0]]]])  # one channel of 1 x 3 pixels
        >>> pool_masks(features, torch.tensor([[[True, True, False]]]), torch.tensor([0]))
        tensor([[2.]])
    """
    # fp32 island: a sum over pixels. Every mask against every image: B times the work of the
    # needed, which is little beside the network that made the features, and needs no loop.
    with torch.autocast(features.device.type, enabled=False):
        sums = torch.einsum('khw,bchw->bkc', masks.float(), features.float())
        chosen = sums[image_index, torch.arange(len(masks), device=masks.device)]
        return chosen / masks.flatten(1).sum(dim=1, keepdim=True).clamp(min=1)


def content_mask(
    sizes: list[tuple[int, int]],
    *,
    padded: tuple[int, int],
    shape: tuple[int, int],
    device: torch.device,
) -> Tensor:
    """Where a map of a padded batch shows the images.

    Args:
        sizes: per image, (height, width) of its content in pixels, from the top left.
        padded: (H, W) of the batch in pixels.
        shape: (h, w) of the map.
        device: of the result.

    Returns:
        ``(B, h, w)`` bool, true for cells whose centre lies in the content.

    Examples:
        >>> content_mask([(2, 4)], padded=(4, 4), shape=(2, 2), device=torch.device('cpu'))
        tensor([[[ True,  True],
                 [False, False]]])
    """
    # Host to device: one small copy; image sizes are known to the host only.
    limits = torch.tensor(sizes).to(device, non_blocking=True)
    height, width = limits[:, :1], limits[:, 1:]
    row, column = (
        (torch.arange(count, device=device) + 0.5) * (pixels / count)
        for count, pixels in zip(shape, padded, strict=True)
    )
    return (row < height)[:, :, None] & (column < width)[:, None, :]
