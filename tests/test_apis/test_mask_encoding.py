"""Codes of masks, against decoders written for the tests."""

import json
from itertools import product

import cv2
import numpy as np
import pytest
from pycocotools import mask as coco_mask

from mmpldc.apis import (
    decode_mask,
    encode_mask,
    label_studio_rle,
    mask_to_polygons,
    polygons_to_rle,
)


def blobs(size: tuple[int, int], seed: int) -> np.ndarray:
    """A mask of some smooth parts, with holes."""
    field = np.random.default_rng(seed).normal(size=size).astype(np.float32)
    field = cv2.GaussianBlur(field, (0, 0), 1.5)
    return field > np.quantile(field, 0.4)


def with_holes_filled(mask: np.ndarray) -> np.ndarray:
    """What is not reached from outside, going from pixel to pixel along edges."""
    height, width = mask.shape
    outside, reached = [(-1, -1)], {(-1, -1)}
    while outside:
        y, x = outside.pop()
        for near in ((y - 1, x), (y + 1, x), (y, x - 1), (y, x + 1)):
            inside = 0 <= near[0] < height and 0 <= near[1] < width
            around = -1 <= near[0] <= height and -1 <= near[1] <= width
            if around and near not in reached and not (inside and mask[near]):
                reached.add(near)
                outside.append(near)
    filled = np.ones_like(mask)
    for y, x in product(range(height), range(width)):
        filled[y, x] = (y, x) not in reached
    return filled


def rasterise(polygons: list[list[float]], size: tuple[int, int]) -> np.ndarray:
    """Pixels whose centre lies in a polygon, by counting the edges to the right of it."""
    mask = np.zeros(size, bool)
    for polygon in polygons:
        points = np.reshape(polygon, (-1, 2)).tolist()
        edges = list(zip(points, points[1:] + points[:1], strict=True))
        for y, x in product(range(size[0]), range(size[1])):
            crossings = 0
            for (x1, y1), (x2, y2) in edges:
                if (y1 > y + 0.5) != (y2 > y + 0.5):
                    crossings += x1 + (y + 0.5 - y1) * (x2 - x1) / (y2 - y1) > x + 0.5
            mask[y, x] |= crossings % 2 == 1
    return mask


# ---------------------------------------------------------------- COCO's RLE


@pytest.mark.parametrize('mask', [np.zeros((4, 5), bool), np.ones((4, 5), bool), blobs((9, 7), 0)])
def test_rle_goes_through_json(mask):
    rle = json.loads(json.dumps(encode_mask(mask)))
    assert rle['size'] == list(mask.shape)
    decoded = decode_mask(rle)
    assert decoded.dtype == bool and (decoded == mask).all()


def test_rle_by_hand():
    """COCO counts down the columns: 2 off, 3 on (two columns), 1 off."""
    rle = encode_mask(np.array([[0, 1], [0, 1], [1, 0]], bool))
    assert rle == dict(
        size=[3, 2],
        counts=coco_mask.frPyObjects(dict(size=[3, 2], counts=[2, 3, 1]), 3, 2)['counts'].decode(),
    )


# ---------------------------------------------------------------- polygons


def test_polygon_of_a_rectangle_follows_the_edges_of_its_pixels():
    mask = np.zeros((8, 9), bool)
    mask[2:5, 3:7] = True
    (polygon,) = mask_to_polygons(mask, tolerance=0)
    corners = {tuple(point) for point in np.reshape(polygon, (-1, 2)).tolist()}
    assert corners == {(3, 2), (7, 2), (7, 5), (3, 5)} and len(polygon) == 8


@pytest.mark.parametrize('seed', range(4))
def test_polygons_without_tolerance_give_back_the_mask_but_for_holes(seed):
    mask = blobs((30, 40), seed)
    polygons = mask_to_polygons(mask, tolerance=0)
    expected = with_holes_filled(mask)
    assert (expected != mask).any()  # it has a hole
    assert (rasterise(polygons, mask.shape) == expected).all()
    assert (decode_mask(polygons_to_rle(polygons, mask.shape)) == expected).all()


def test_polygons_of_a_hole_and_of_an_island_in_it():
    mask = np.zeros((9, 9), bool)
    mask[1:8, 1:8] = True
    mask[2:7, 2:7] = False
    mask[4, 4] = True
    (polygon,) = mask_to_polygons(mask, tolerance=0)
    assert rasterise([polygon], mask.shape).sum() == 49


@pytest.mark.parametrize('tolerance', [0.0, 1.0, 5.0])
def test_parts_have_polygons_of_their_own_however_small(tolerance):
    mask = np.zeros((12, 12), bool)
    mask[0, 0] = mask[3, 2:9] = True
    mask[7:12, 7:12] = True
    polygons = mask_to_polygons(mask, tolerance=tolerance)
    assert len(polygons) == 3 and min(map(len, polygons)) >= 6
    assert mask_to_polygons(np.zeros((5, 5), bool), tolerance=tolerance) == []


@pytest.mark.parametrize('tolerance', [0.5, 1.0, 2.0])
def test_tolerance_saves_points_and_bounds_the_error(tolerance):
    y, x = np.mgrid[:80, :100]
    mask = ((x - 50) / 40) ** 2 + ((y - 40) / 30) ** 2 < 1
    (exact,) = mask_to_polygons(mask, tolerance=0)
    (polygon,) = mask_to_polygons(mask, tolerance=tolerance)
    assert len(polygon) < len(exact) / 3
    outline = np.reshape(polygon, (-1, 1, 2)).astype(np.float32)
    points = np.reshape(exact, (-1, 2)).tolist()
    off = [abs(cv2.pointPolygonTest(outline, point, True)) for point in points]
    assert max(off) <= tolerance + 1e-5


# ---------------------------------------------------------------- Label Studio's RLE


def decode_label_studio(code: list[int]) -> list[int]:
    """The values that Label Studio's code stands for, by its description."""
    bits = ''.join(f'{byte:08b}' for byte in code)
    position = 0

    def read(count: int) -> int:
        nonlocal position
        position += count
        return int(bits[position - count : position], 2)

    num_values = read(32)
    value_bits = read(5) + 1
    length_bits = [read(4) + 1 for _ in range(4)]
    values = []
    while len(values) < num_values:
        is_run = read(1)
        length = read(length_bits[read(2)]) + 1
        assert is_run, 'literal values are not written'
        values += [read(value_bits)] * length
    assert len(bits) - position < 8 and '1' not in bits[position:]
    return values


@pytest.mark.parametrize(
    'mask',
    [
        np.zeros((3, 5), bool),
        np.ones((3, 5), bool),
        np.eye(6, dtype=bool),
        blobs((20, 30), 1),
        # runs of 4, 8, 16, 256 and 65,536 values are the longest of their sizes
        np.repeat(np.arange(10) % 2, [1, 2, 3, 4, 5, 64, 65, 16384, 16385, 1])[None].astype(bool),
        np.ones((300, 200), bool),
    ],
    ids=lambda mask: f'{mask.shape}',
)
def test_label_studio_rle(mask):
    code = label_studio_rle(mask)
    assert all(isinstance(byte, int) and 0 <= byte <= 255 for byte in code)
    pixels = np.reshape(decode_label_studio(code), (*mask.shape, 4))
    for channel in range(4):
        assert (pixels[..., channel] == 255 * mask).all()


def test_label_studio_rle_by_hand():
    """A pixel on and one off: 8 values, then 1 00 011 255 and 1 00 011 0."""
    bits = f'{8:032b}' + '00111' + '0010001101111111' + '100011' + '1' * 8 + '100011' + '0' * 8
    bits = bits.ljust(88, '0')
    expected = [int(bits[start : start + 8], 2) for start in range(0, 88, 8)]
    assert label_studio_rle(np.array([[True, False]])) == expected
