"""Run lengths of many masks at once against pycocotools, one mask at a time."""

import numpy as np
import pytest
from pycocotools import mask as mask_utils

from mmpldc.datasets.checks import rle


@pytest.fixture(scope='module')
def masks() -> list[np.ndarray]:
    """Masks of several sizes: random, empty, full, single pixels, stripes."""
    rng = np.random.default_rng(0)
    found = [rng.random((rng.integers(1, 40), rng.integers(1, 40))) < p for p in (0.01, 0.5, 0.9)]
    found += [np.zeros((3, 7), bool), np.ones((7, 3), bool), np.ones((1, 1), bool)]
    first, last, stripes = np.zeros((3, 300, 500), bool)
    first[0, 0] = last[-1, -1] = stripes[100:200, 7:450] = True
    blob = np.zeros((900, 1200), bool)  # runs of several characters
    blob[5:800, 3:900] = True
    blob[:, 700] = True
    return [*found, first, last, stripes, blob]


@pytest.fixture(scope='module')
def encoded(masks) -> list[dict]:
    return [mask_utils.encode(np.asfortranarray(mask, np.uint8)) for mask in masks]


def naive_runs(mask: np.ndarray) -> list[int]:
    runs, value = [0], False
    for pixel in mask.T.ravel().tolist():
        if pixel != value:
            runs.append(0)
            value = pixel
        runs[-1] += 1
    return runs


def test_counts_are_those_of_the_pixels(masks, encoded):
    runs = rle.read_compressed([one['counts'] for one in encoded])
    expected = [naive_runs(mask) for mask in masks]
    assert np.split(runs.counts, runs.starts[1:])[0].tolist() == expected[0]
    assert runs.counts.tolist() == [count for own in expected for count in own]
    assert runs.lengths.tolist() == list(map(len, expected))


def test_extents_are_pycocotools_boxes(encoded):
    sizes = np.array([one['size'] for one in encoded])
    runs = rle.read_compressed([one['counts'] for one in encoded])
    boxes = np.array([mask_utils.toBbox(one) for one in encoded])
    boxes[:, 2:] += boxes[:, :2]
    assert rle.fill(runs, sizes).all()
    np.testing.assert_array_equal(rle.extents(runs, sizes), boxes)


def test_runs_that_do_not_fill_the_image():
    runs = rle.Runs(np.array([3, 3, 4, 2, 3, 12, -1, 1]), np.array([1, 2, 2, 3]))
    sizes = np.array([[2, 2], [7, 1], [1, 5], [3, 4]])
    assert rle.fill(runs, sizes).tolist() == [False, True, True, False]


@pytest.mark.parametrize(
    ('string', 'expected'),
    [
        (b'012', True),
        (b'', False),
        (b'0 1', False),  # below the alphabet
        (b'0p', False),  # above it
        (b'0P', False),  # its last number goes on
        (b'P', False),
        (b'P0', True),
    ],
)
def test_sound_strings(string, expected):
    around = [b'1', string, b'1']
    assert rle.are_sound(around).tolist() == [True, expected, True]
    assert rle.are_sound([string]).tolist() == [expected]


def test_what_passes_is_what_pycocotools_decodes(encoded):
    """Of strings with a changed character, added ones, and runs of more than seven characters."""
    rng = np.random.default_rng(0)
    passed = 0
    for _ in range(3000):
        one = encoded[rng.integers(len(encoded) - 1)]
        string = bytearray(one['counts'])
        place = rng.integers(len(string))
        length = rng.integers(0, 3)
        string[place : place + length] = bytes(rng.integers(48, 112, rng.integers(0, 12)).tolist())
        string = bytes(string)
        if not rle.are_sound([string])[0]:
            continue
        runs = rle.read_compressed([string])
        total = int(runs.counts.sum())
        size = one['size'] if total == np.prod(one['size']) else [total, 1]
        if total <= 0 or total > 10**6 or not rle.fill(runs, np.array([size]))[0]:
            continue
        passed += 1
        mask = mask_utils.decode(dict(size=size, counts=string))
        assert mask.max() <= 1 and mask.sum() == runs.counts[1::2].sum()
        box = mask_utils.toBbox(dict(size=size, counts=string))
        extent = rle.extents(runs, np.array([size]))[0]
        assert mask.sum() == 0 or extent.tolist() == [*box[:2], *(box[:2] + box[2:])]
    assert passed > 300


def test_a_run_of_too_many_characters_fills_nothing():
    runs = rle.read_compressed([b'o' * 7 + b'0' + b'1', b'9'])
    assert rle.fill(runs, np.array([[3, 3], [3, 3]])).tolist() == [False, True]
