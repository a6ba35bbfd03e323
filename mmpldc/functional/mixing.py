"""Mixing two images, and everything that lies on their pixels, by one mask.

A mask is drawn first (:func:`box_masks`, :func:`class_masks`) and then mixes images, labels,
confidences and validity alike (:func:`mix`). Boxes are drawn on the CPU, by torch's generator.
"""

import torch
from torch import Tensor

TRIES = 256  # boxes drawn for one that fits; with UniMatch's areas 1 in 10^9 images gets none


def mix(maps: Tensor, others: Tensor, from_others: Tensor) -> Tensor:
    """Take some pixels from other images.

    Args:
        maps: ``(B, H, W)`` or ``(B, C, H, W)``, any dtype: images, labels, confidences, ...
        others: of the same shape and dtype, what is pasted into each.
        from_others: ``(B, H, W)`` bool, the pixels to take from ``others``.

    Returns:
        Of the same shape and dtype.

    Examples:
        >>> labels = torch.tensor([[[1, 2]], [[3, 4]]])
        >>> mask = torch.tensor([[[True, False]], [[False, False]]])
        >>> mix(labels, labels.roll(-1, dims=0), mask).tolist()
        [[[3, 2]], [[3, 4]]]
    """
    return torch.where(_over_channels(from_others, maps), others, maps)


def cut_out(maps: Tensor, mask: Tensor, value: float) -> Tensor:
    """Overwrite some pixels: 0 in normalised images, 255 in labels, False in validity.

    Args:
        maps: ``(B, H, W)`` or ``(B, C, H, W)``, any dtype.
        mask: ``(B, H, W)`` bool, the pixels to overwrite.
        value: what with.

    Returns:
        Of the same shape and dtype.

    Examples:
        >>> cut_out(torch.ones(1, 1, 2), torch.tensor([[[True, False]]]), 255).tolist()
        [[[255.0, 1.0]]]
    """
    return maps.masked_fill(_over_channels(mask, maps), value)


def blend(strong: Tensor, weak: Tensor, share: Tensor) -> Tensor:
    """iMAS's adaptive intensity, share * strong + (1 - share) * weak.

    Args:
        strong: ``(B, C, H, W)`` float, A(x).
        weak: likewise, x.
        share: ``(B,)`` float in [0, 1], each image's ease.

    Returns:
        ``(B, C, H, W)``.

    Examples:
        >>> weak, strong = torch.full((1, 1, 1, 1), 100.0), torch.full((1, 1, 1, 1), 180.0)
        >>> blend(strong, weak, torch.tensor([0.25])).item()
        120.0
    """
    return torch.lerp(weak, strong, share.to(weak.dtype).view(-1, 1, 1, 1))


def _over_channels(mask: Tensor, maps: Tensor) -> Tensor:
    return mask if mask.dim() == maps.dim() else mask[:, None]


# ---------------------------------------------------------------- masks


def box_masks(boxes: Tensor, size: tuple[int, int]) -> Tensor:
    """Masks of boxes.

    Args:
        boxes: ``(B, 4)`` int64, left, top, right, bottom in pixels; the last two are outside.
        size: (H, W).

    Returns:
        ``(B, H, W)`` bool, True inside.

    Examples:
        >>> box_masks(torch.tensor([[1, 0, 3, 1]]), (2, 4)).int().tolist()
        [[[0, 1, 1, 0], [0, 0, 0, 0]]]
    """
    left, top, right, bottom = boxes[:, :, None].unbind(1)
    column, row = (torch.arange(side, device=boxes.device) for side in reversed(size))
    inside_column = (left <= column) & (column < right)
    inside_row = (top <= row) & (row < bottom)
    return inside_row[:, :, None] & inside_column[:, None, :]


def class_masks(labels: Tensor, num_classes: int) -> Tensor:
    """ClassMix: the pixels of a random half of each image's classes (rounded down).

    Args:
        labels: ``(B, H, W)`` int64 in [0, C), or 255 where there is no label.
        num_classes: C.

    Returns:
        ``(B, H, W)`` bool, True where the image's own pixels stay. No pixel without a label is in
        it. Classes are drawn on the labels' device.

    Examples:
        >>> labels = torch.tensor([[[0, 0, 1, 255]]])
        >>> class_masks(labels, 2).sum().item() in (1, 2)
        True
    """
    has_label = labels < num_classes
    known = labels.where(has_label, num_classes).flatten(1)
    present = known.new_zeros(len(labels), num_classes + 1, dtype=torch.bool)
    present.scatter_(1, known, True)
    present[:, -1] = False
    order = torch.rand(present.shape, device=labels.device).masked_fill(~present, 2.0)
    rank = order.argsort(dim=1).argsort(dim=1)
    chosen = rank < present.sum(dim=1, keepdim=True) // 2
    return chosen.gather(1, known).view_as(labels)


# ---------------------------------------------------------------- boxes


def half_area_boxes(num: int, size: tuple[int, int]) -> Tensor:
    """U2PL's boxes, which fill half of the image: w ~ U(W / 2, W), h = H W / (2 w).

    Args:
        num: B.
        size: (H, W) of the image in pixels.

    Returns:
        ``(B, 4)`` int64 on the CPU, left, top, right, bottom; a box's area is H W / 2 up to the
        rounding of its height.

    Examples:
        >>> boxes = half_area_boxes(3, (64, 64))
        >>> areas = (boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1])
        >>> bool(((areas - 2048).abs() <= 32).all())
        True
    """
    height, width = size
    widths = (torch.empty(num).uniform_(width / 2, width)).long().clamp(min=1)
    heights = (height * width / (2 * widths)).round().long().clamp(max=height)
    return _placed(widths, heights, size)


def shared_size_boxes(num: int, size: tuple[int, int]) -> Tensor:
    """iMAS's boxes: v (H, W) with one v ~ U(0.1, 0.9) for all, cut at the image's border.

    Centres are uniform in [1/16, 1) of each side.

    Args:
        num: B.
        size: (H, W) of the image in pixels.

    Returns:
        ``(B, 4)`` int64 on the CPU, left, top, right, bottom.

    Examples:
        >>> shared_size_boxes(2, (32, 32)).shape
        torch.Size([2, 4])
    """
    sides = torch.tensor([size[1], size[0]], dtype=torch.float32)
    half = (sides * torch.empty(1).uniform_(0.1, 0.9) / 2).floor()
    centers = (sides * torch.empty(num, 2).uniform_(1 / 16, 1)).floor()
    low, high = (centers - half).clamp(min=0), torch.minimum(centers + half, sides)
    return torch.cat([low, high], dim=1).long()


def random_area_boxes(
    num: int,
    size: tuple[int, int],
    *,
    area: tuple[float, float] = (0.02, 0.4),
    aspect: tuple[float, float] = (0.3, 1 / 0.3),
) -> Tensor:
    """UniMatch's boxes: random area, shape and place, drawn until they lie inside the image.

    Args:
        num: B.
        size: (H, W) of the image in pixels.
        area: range of the box's share of the image.
        aspect: range of height / width, uniform.

    Returns:
        ``(B, 4)`` int64 on the CPU, left, top, right, bottom.

    Examples:
        >>> boxes = random_area_boxes(3, (64, 64))
        >>> bool((boxes[:, 2:] <= 64).all() and (boxes[:, :2] >= 0).all())
        True
    """
    height, width = size
    areas = torch.empty(num, 1).uniform_(*area) * height * width
    aspects = torch.empty(num, TRIES).uniform_(*aspect)
    widths, heights = (areas / aspects).sqrt().long(), (areas * aspects).sqrt().long()
    left = (torch.rand(num, TRIES) * width).long()
    top = (torch.rand(num, TRIES) * height).long()
    fits = (left + widths <= width) & (top + heights <= height)
    first = fits.int().argmax(dim=1, keepdim=True)
    drawn = torch.stack([left, top, left + widths, top + heights], dim=-1)
    boxes = drawn.gather(1, first[..., None].expand(-1, -1, 4)).squeeze(1)
    return torch.minimum(boxes, torch.tensor([width, height, width, height]))


def _placed(widths: Tensor, heights: Tensor, size: tuple[int, int]) -> Tensor:
    """Boxes of these sizes, ``(B,)`` int64 each, anywhere in the image."""
    height, width = size
    left = (torch.rand(len(widths)) * (width - widths + 1)).long()
    top = (torch.rand(len(heights)) * (height - heights + 1)).long()
    return torch.stack([left, top, left + widths, top + heights], dim=1)


# ---------------------------------------------------------------- partners


def partners_by_ease(ease: Tensor) -> Tensor:
    """iMAS's partners: the image of rank r in ascending ease and that of rank B - 1 - r.

    Args:
        ease: ``(B,)`` float, h; equal ones are ranked by their index.

    Returns:
        ``(B,)`` int64, whose pixels each image gets; with an odd B the middle one its own.

    Examples:
        >>> partners_by_ease(torch.tensor([0.9, 0.1, 0.5, 0.3, 0.7])).tolist()
        [1, 0, 2, 4, 3]
    """
    order = ease.argsort(stable=True)
    return torch.empty_like(order).scatter_(0, order, order.flip(0))
