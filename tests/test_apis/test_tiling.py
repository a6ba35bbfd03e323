"""Tiles cover an image, and objects across their seams are put together."""

from itertools import pairwise

import numpy as np
import pytest
import torch
from mmengine.structures import InstanceData
from pycocotools import mask as coco_mask

from mmpldc.apis import DecodedMasks, as_plain, predict_tiles, tile_windows, with_run_lengths
from mmpldc.utils.run_lengths import encode_in_frame, encode_masks


@pytest.mark.parametrize(
    ('height', 'width', 'tile', 'overlap'),
    [
        (10, 10, 10, 0.2),
        (5, 7, 10, 0.0),
        (100, 33, 32, 0.2),
        (64, 65, 32, 0.5),
        (1000, 40, 64, 0.9),
    ],
)
def test_tiles_cover_the_image(height, width, tile, overlap):
    covered = np.zeros((height, width), int)
    windows = tile_windows(height, width, tile, overlap)
    for w in windows:
        assert 0 <= w.top < w.bottom <= height and 0 <= w.left < w.right <= width
        assert (w.bottom - w.top, w.right - w.left) == (min(tile, height), min(tile, width))
        covered[w.top : w.bottom, w.left : w.right] += 1
    assert covered.min() >= 1
    lefts = sorted({w.left for w in windows})
    assert all(b - a <= tile * (1 - overlap) + 1 for a, b in pairwise(lefts))


@pytest.mark.parametrize(('tile', 'overlap'), [(0, 0.2), (8, 1.0), (8, -0.1)])
def test_tiles_that_cover_nothing(tile, overlap):
    with pytest.raises(ValueError, match='covers no image'):
        tile_windows(10, 10, tile, overlap)


@pytest.mark.parametrize('seed', range(20))
def test_encode_in_frame(seed):
    """Against encoding of the whole frame, also where the part touches its edges."""
    rng = np.random.default_rng(seed)
    height, width = rng.integers(1, 12, 2)
    top, left = rng.integers(0, height), rng.integers(0, width)
    bottom, right = rng.integers(top, height) + 1, rng.integers(left, width) + 1
    if seed % 4 == 0:
        top, bottom = 0, height
    mask = np.zeros((height, width), bool)
    crop = rng.random((bottom - top, right - left)) < (0.2, 0.5, 0.9, 1.1)[seed % 4 - 1]
    mask[top:bottom, left:right] = crop
    rle = encode_in_frame(crop, (top, left), (height, width))
    assert np.array_equal(coco_mask.decode(rle).astype(bool), mask)
    assert rle['size'] == [height, width]


# ---------------------------------------------------------------- putting together


SIZE = 96
DISCS = [(20, 20, 9, 0), (48, 47, 12, 1), (50, 80, 8, 0), (80, 30, 10, 1), (64, 64, 4, 0)]


def truth() -> tuple[list[np.ndarray], np.ndarray]:
    """Discs, of which some lie across seams; and the scene, whose pixels are their numbers."""
    rows, columns = np.mgrid[:SIZE, :SIZE]
    masks = [(rows - y) ** 2 + (columns - x) ** 2 <= r * r for y, x, r, _ in DISCS]
    scene = np.zeros((SIZE, SIZE, 3), np.uint8)
    for number, mask in enumerate(masks, 1):
        scene[mask] = number
    return masks, scene


def see(tiles) -> list[InstanceData]:
    """A perfect network that sees what a tile shows of each disc, and its noise."""
    found = []
    for tile in tiles:
        numbers = [n for n in np.unique(tile) if n]
        masks = [tile[..., 0] == n for n in numbers]
        masks.append(np.ones(tile.shape[:2], bool))  # fainter than what counts
        found.append(
            InstanceData(
                masks=torch.from_numpy(np.array(masks)),
                bboxes=torch.zeros(len(masks), 4),
                labels=torch.tensor([DISCS[n - 1][3] for n in numbers] + [0]),
                # a part has a lower score than the whole
                scores=torch.tensor([min(0.9, m.sum() / 1000 + 0.3) for m in masks[:-1]] + [0.01]),
            )
        )
    return found


@pytest.mark.parametrize(('tile', 'batch_size'), [(32, 1), (40, 3), (96, 1), (200, 2)])
@pytest.mark.parametrize('as_runs', [False, True])
def test_each_object_is_found_once_and_whole(tile, batch_size, as_runs):
    masks, scene = truth()

    def predict(tiles):
        return [with_run_lengths(one) for one in see(tiles)] if as_runs else see(tiles)

    result = predict_tiles(scene, predict, tile=tile, overlap=0.3, batch_size=batch_size)
    assert len(result) == len(DISCS)
    assert result.scores.tolist() == sorted(result.scores.tolist(), reverse=True)
    found = {m.tobytes(): i for i, m in enumerate(DecodedMasks(result.masks))}
    for mask, (_, _, _, label) in zip(masks, DISCS, strict=True):
        place = found[mask.tobytes()]
        assert result.labels[place] == label
        rows, columns = np.nonzero(mask)
        box = [columns.min(), rows.min(), columns.max() + 1, rows.max() + 1]
        assert result.bboxes[place].tolist() == box


def test_neighbours_that_a_tile_tells_apart_stay_two():
    """Two objects whose parts in the overlap look like one another's."""
    scene = np.zeros((10, 30, 3), np.uint8)

    def predict(tiles):
        for tile in tiles:
            masks = torch.zeros(2, *tile.shape[:2]).bool()
            masks[0, :5], masks[1, 4:] = True, True
            yield InstanceData(
                masks=masks,
                bboxes=torch.zeros(2, 4),
                labels=torch.zeros(2).long(),
                scores=torch.tensor([0.9, 0.8]),
            )

    result = predict_tiles(scene, lambda tiles: list(predict(tiles)), tile=20, overlap=0.5)
    areas = [int(mask.sum()) for mask in DecodedMasks(result.masks)]
    assert areas == [150, 180]


def test_nothing_is_found():
    def predict(tiles):
        empty = torch.zeros(0, *tiles[0].shape[:2]).bool()
        none = torch.zeros(0)
        return [
            InstanceData(masks=empty, bboxes=none.reshape(0, 4), labels=none.long(), scores=none)
        ]

    result = predict_tiles(np.zeros((50, 60, 3), np.uint8), predict, tile=20)
    assert len(result) == 0 and result.masks == [] and result.bboxes.shape == (0, 4)
    assert as_plain(result) == dict(labels=[], scores=[], bboxes=[], masks=[])


def test_plain_values_are_jsons():
    masks = torch.rand(2, 5, 6) > 0.5
    instances = InstanceData(
        masks=masks,
        bboxes=torch.ones(2, 4),
        labels=torch.tensor([0, 1]),
        scores=torch.tensor([0.5, 0.25]),
    )
    plain = as_plain(with_run_lengths(instances))
    assert (plain['labels'], plain['scores'], plain['bboxes'][0]) == (
        [0, 1],
        [0.5, 0.25],
        [1.0] * 4,
    )
    assert [rle['counts'].encode() for rle in plain['masks']] == [
        rle['counts'] for rle in encode_masks(masks)
    ]
    assert torch.equal(DecodedMasks(with_run_lengths(instances).masks).tensor(), masks)
