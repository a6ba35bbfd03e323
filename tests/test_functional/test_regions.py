"""Crops and pooled features of masks against numpy loops and PIL."""

import math

import numpy as np
import pytest
import torch
from PIL import Image

from mmpldc.functional import (
    content_mask,
    context_boxes,
    crop_regions,
    mask_boxes,
    pool_masks,
    resize_masks,
)


def bilinear(image: np.ndarray, y: float, x: float) -> float:
    """The value at a position in pixels, the centre of the first one at 0.5; edges are repeated."""
    height, width = image.shape
    y, x = (min(max(value - 0.5, 0), size - 1) for value, size in ((y, height), (x, width)))
    top, left = math.floor(y), math.floor(x)
    bottom, right = min(top + 1, height - 1), min(left + 1, width - 1)
    upper = (1 - (x - left)) * image[top, left] + (x - left) * image[top, right]
    lower = (1 - (x - left)) * image[bottom, left] + (x - left) * image[bottom, right]
    return (1 - (y - top)) * upper + (y - top) * lower


# ---------------------------------------------------------------- masks and their boxes


@pytest.mark.parametrize('size', [(12, 20), (6, 10), (3, 5), (1, 1), (2, 15)])
def test_masks_at_another_resolution(size):
    logits = torch.randn(3, 3, 5)
    masks = resize_masks(logits, size)
    assert masks.shape == (3, *size) and masks.dtype == torch.bool
    for mask, own in zip(masks, logits.numpy(), strict=True):
        for row in range(size[0]):
            for column in range(size[1]):
                y, x = (row + 0.5) * 3 / size[0], (column + 0.5) * 5 / size[1]
                value = bilinear(own, y, x)
                if abs(value) > 1e-5:
                    assert mask[row, column].item() == (value > 0)


@pytest.mark.parametrize('dtype', [torch.float16, torch.bfloat16])
def test_masks_in_half_precision(dtype):
    logits = torch.randn(2, 4, 4).to(dtype)
    with torch.autocast('cpu', torch.bfloat16):
        masks = resize_masks(logits, (16, 16))
    assert masks.equal(resize_masks(logits.float(), (16, 16)))


def test_no_mask():
    masks = resize_masks(torch.zeros(0, 4, 4), (8, 8))
    assert masks.shape == (0, 8, 8) and masks.dtype == torch.bool
    assert mask_boxes(masks).shape == (0, 4)


def naive_box(mask: np.ndarray) -> list[int]:
    rows, columns = np.nonzero(mask)
    if len(rows) == 0:
        return [0, 0, 0, 0]
    return [columns.min(), rows.min(), columns.max() + 1, rows.max() + 1]


@pytest.mark.parametrize('density', [0.0, 0.02, 0.1, 0.9, 1.0])
def test_boxes_equal_the_loop(density):
    masks = torch.rand(20, 7, 9) < density
    boxes = mask_boxes(masks)
    assert boxes.dtype == torch.float32
    assert boxes.tolist() == [naive_box(mask) for mask in masks.numpy()]


def test_boxes_of_single_pixels_and_corners():
    masks = torch.zeros(3, 4, 6, dtype=torch.bool)
    masks[0, 0, 0] = masks[1, 3, 5] = True
    masks[2, 0, 5] = masks[2, 3, 0] = True  # a mask in two parts
    assert mask_boxes(masks).tolist() == [[0, 0, 1, 1], [5, 3, 6, 4], [0, 0, 6, 4]]


@pytest.mark.parametrize('square', [True, False])
@pytest.mark.parametrize('context', [1.0, 1.5])
def test_context_equals_the_loop(square, context):
    corners = 40 * torch.rand(8, 2)
    boxes = torch.cat([corners, corners + 30 * torch.rand(8, 2)], dim=1)
    expected = []
    for x1, y1, x2, y2 in boxes.tolist():
        width, height = x2 - x1, y2 - y1
        if square:
            width = height = max(width, height)
        x, y, right, down = (x1 + x2) / 2, (y1 + y2) / 2, context * width / 2, context * height / 2
        expected.append([x - right, y - down, x + right, y + down])
    result = context_boxes(boxes, square=square, context=context)
    torch.testing.assert_close(result, torch.tensor(expected), rtol=0, atol=1e-4)


def test_context_of_nothing():
    assert context_boxes(torch.zeros(0, 4), square=True, context=1.2).shape == (0, 4)
    empty = torch.zeros(1, 4)
    assert context_boxes(empty, square=True, context=1.2).equal(empty)


# ---------------------------------------------------------------- crops

SIZE = 8


def crop(images, *boxes, index=None):
    index = [0] * len(boxes) if index is None else index
    return crop_regions(images, torch.tensor(boxes).float(), torch.tensor(index), SIZE)


def test_a_box_of_the_crops_size_is_copied():
    images = torch.rand(1, 3, 20, 30)
    (result,) = crop(images, (5, 7, 5 + SIZE, 7 + SIZE))
    torch.testing.assert_close(result, images[0, :, 7:15, 5:13], rtol=0, atol=1e-5)


@pytest.mark.parametrize(
    'box', [(0, 0, 16, 16), (3, 5, 27, 29), (1, 2, 33, 18), (8, 0, 16, 40)], ids=str
)
def test_large_boxes_are_averaged_as_pil_does(box):
    """Sides are multiples of the crop's, so that PIL's box filter averages whole pixels."""
    image = np.random.default_rng(0).integers(0, 256, (40, 40), dtype=np.uint8)
    picture = (
        Image.fromarray(image).convert('F').crop(box).resize((SIZE, SIZE), Image.Resampling.BOX)
    )
    (result,) = crop(torch.from_numpy(image).view(1, 1, 40, 40), box)
    np.testing.assert_allclose(result[0], np.asarray(picture), atol=1e-3)


@pytest.mark.parametrize('box', [(4, 4, 8, 8), (10, 3, 12, 9), (5.3, 6.1, 9.9, 8.2)], ids=str)
def test_small_boxes_are_interpolated(box):
    images = torch.rand(1, 2, 16, 20)
    (result,) = crop(images, box)
    x1, y1, x2, y2 = box
    for channel in range(2):
        for row in range(SIZE):
            for column in range(SIZE):
                y, x = (row + 0.5) / SIZE * (y2 - y1) + y1, (column + 0.5) / SIZE * (x2 - x1) + x1
                expected = bilinear(images[0, channel].numpy(), y, x)
                assert result[channel, row, column].item() == pytest.approx(expected, abs=1e-5)


def test_crops_come_from_their_own_image():
    images = torch.arange(3.0).view(3, 1, 1, 1).expand(3, 2, 10, 10)
    result = crop(images, *[(1, 1, 5, 5)] * 4, index=[2, 0, 1, 2])
    assert result.shape == (4, 2, SIZE, SIZE)
    assert [round(own.mean().item(), 5) for own in result] == [2, 0, 1, 2]


def test_outside_of_the_image_is_0():
    (result,) = crop(torch.ones(1, 1, 20, 20), (-8, 4, 8, 20))
    assert not result[0, :, :3].any()
    torch.testing.assert_close(result[0, :, 5:], torch.ones(SIZE, 3))


def test_no_crop():
    images = torch.rand(1, 3, 10, 10)
    result = crop_regions(images, torch.zeros(0, 4), torch.zeros(0, dtype=torch.int64), SIZE)
    assert result.shape == (0, 3, SIZE, SIZE)


def test_empty_box_gives_numbers():
    (result,) = crop(torch.rand(1, 3, 10, 10), (0, 0, 0, 0))
    assert result.isfinite().all()


def test_crops_are_float32():
    images, box = torch.rand(1, 3, 16, 16), (2, 2, 14, 14)
    expected = crop(images.bfloat16().float(), box)
    with torch.autocast('cpu', torch.bfloat16):
        result = crop(images.bfloat16(), box)
    assert result.dtype == torch.float32
    torch.testing.assert_close(result, expected)


# ---------------------------------------------------------------- pooling


def naive_pool(features, masks, image_index):
    rows = []
    for mask, image in zip(masks, image_index.tolist(), strict=True):
        pixels = [
            features[image, :, y, x].float()
            for y in range(mask.shape[0])
            for x in range(mask.shape[1])
            if mask[y, x]
        ]
        rows.append(torch.stack(pixels).mean(dim=0) if pixels else torch.zeros(features.shape[1]))
    return torch.stack(rows)


@pytest.mark.parametrize('index', [[0, 0, 1, 2, 2], [2, 0, 1, 0, 2], [1, 1, 1, 1, 1]], ids=str)
def test_pooling_equals_the_loop(index):
    features, masks = torch.randn(3, 4, 5, 6), torch.rand(5, 5, 6) < 0.3
    masks[1] = False
    masks[2] = True
    pooled = pool_masks(features, masks, torch.tensor(index))
    expected = naive_pool(features, masks, torch.tensor(index))
    torch.testing.assert_close(pooled, expected, rtol=0, atol=1e-5)
    assert not pooled[1].any()
    torch.testing.assert_close(pooled[2], features[index[2]].mean(dim=(1, 2)), rtol=0, atol=1e-5)


def test_pooling_of_nothing():
    nothing = torch.zeros(0, 3, 3, dtype=torch.bool)
    pooled = pool_masks(torch.randn(2, 4, 3, 3), nothing, torch.zeros(0, dtype=torch.int64))
    assert pooled.shape == (0, 4)


def test_pooling_sums_in_float32():
    """A sum of 10,000 ones is 256 in bfloat16."""
    features = torch.full((1, 1, 100, 100), 1.0, dtype=torch.bfloat16)
    masks = torch.ones(1, 100, 100, dtype=torch.bool)
    with torch.autocast('cpu', torch.bfloat16):
        pooled = pool_masks(features, masks, torch.tensor([0]))
    assert pooled.dtype == torch.float32 and pooled.item() == 1


# ---------------------------------------------------------------- padding


@pytest.mark.parametrize('shape', [(6, 8), (3, 4), (2, 8)])
def test_content_equals_a_loop_over_cell_centres(shape):
    padded, sizes = (6, 8), [(6, 8), (3, 8), (6, 5), (1, 1)]
    content = content_mask(sizes, padded=padded, shape=shape, device='cpu')
    assert content.shape == (4, *shape) and content.dtype == torch.bool
    for own, (height, width) in zip(content, sizes, strict=True):
        for y in range(shape[0]):
            for x in range(shape[1]):
                center = (y + 0.5) * padded[0] / shape[0], (x + 0.5) * padded[1] / shape[1]
                assert own[y, x] == (center[0] < height and center[1] < width)
