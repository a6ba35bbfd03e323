"""Extents of segmentations against drawn masks, and what is said of damaged ones."""

import numpy as np
import pytest
from pycocotools import mask as mask_utils

from mmpldc.datasets.checks import masks
from mmpldc.datasets.checks.records import Records

HEIGHT, WIDTH = 60, 90


def check(*segmentations, size=(HEIGHT, WIDTH)):
    """Extents, and findings as (level, where, message)."""
    records = Records(
        [dict(id=i, segmentation=s) for i, s in enumerate(segmentations)], 'annotation', 'a.json'
    )
    extents, _ = masks.check_masks(records, np.array([size] * len(segmentations)).reshape(-1, 2))
    return extents, [(f.level, f.where, f.message) for f in records.findings]


def random_segmentations(count: int) -> list:
    """Polygons of one or two parts, and both kinds of run lengths."""
    rng = np.random.default_rng(1)
    found = []
    for index in range(count):
        if index % 3 == 0:
            parts = rng.integers(1, 3)
            points = rng.uniform(0, HEIGHT, (parts, rng.integers(3, 9), 2)).round(1)
            found.append(points.reshape(parts, -1).tolist())
            continue
        mask = np.zeros((HEIGHT, WIDTH), np.uint8)
        y0, x0 = rng.integers(0, HEIGHT - 2), rng.integers(0, WIDTH - 2)
        mask[y0 : rng.integers(y0 + 1, HEIGHT + 1), x0 : rng.integers(x0 + 1, WIDTH + 1)] = 1
        compressed = mask_utils.encode(np.asfortranarray(mask))
        if index % 3 == 1:
            found.append(dict(size=[HEIGHT, WIDTH], counts=compressed['counts'].decode()))
        else:
            edges = np.flatnonzero(np.diff(np.concatenate([[0], mask.T.ravel()])))
            counts = np.diff(np.concatenate([[0], edges, [mask.size]])).tolist()
            found.append(dict(size=[HEIGHT, WIDTH], counts=counts))
    return found


def naive_extent(segmentation) -> list[float]:
    if isinstance(segmentation, list):
        points = [part[i : i + 2] for part in segmentation for i in range(0, len(part), 2)]
        xs, ys = zip(*points, strict=True)
        return [min(xs), min(ys), max(xs), max(ys)]
    if isinstance(segmentation['counts'], list):
        segmentation = mask_utils.frPyObjects(segmentation, HEIGHT, WIDTH)
    rows, columns = np.nonzero(mask_utils.decode(segmentation))
    return [columns.min(), rows.min(), columns.max() + 1, rows.max() + 1]


@pytest.mark.parametrize('chunk', [1, 7, 1000])
def test_extents(monkeypatch, chunk):
    monkeypatch.setattr(masks, 'CHUNK', chunk)
    segmentations = random_segmentations(60)
    extents, findings = check(*segmentations)
    np.testing.assert_allclose(extents, [naive_extent(one) for one in segmentations])
    assert findings == []


def test_no_annotations():
    extents, findings = check()
    assert extents.shape == (0, 4) and findings == []


TRIANGLE = [1, 2, 30, 4, 5, 50]
FULL = dict(size=[HEIGHT, WIDTH], counts=[0, HEIGHT * WIDTH])


@pytest.mark.filterwarnings('error::RuntimeWarning')
@pytest.mark.parametrize(
    ('broken', 'message'),
    [
        ([], masks.EMPTY),
        (TRIANGLE, masks.FLAT),
        (['1 2 3'], masks.NOT_NUMBERS),
        ([TRIANGLE, 3], masks.NOT_NUMBERS),
        ([[1, 2, 3, 4, 5, '6']], masks.NOT_NUMBERS),
        ([[[1, 2], [3, 4], [5, 6]]], masks.NOT_NUMBERS),
        ([TRIANGLE, [1, 2, 3, 4, 5, 6, 7]], masks.ODD),
        ([[1, 2, 3, 4]], masks.SHORT),
        ([[]], masks.SHORT),
        ([[1, 2, 3, 4, 5, float('inf')]], masks.NOT_FINITE),
        ([[1, 2, 3, 4, 5, 10**400]], masks.NOT_FINITE),
        ([[1, 2, 3], [1, 2, 3, 4, 5, float('nan')]], masks.NOT_FINITE),  # before ODD: it crashes
        ([[0, 0, 1e9, 0, 1e9, 1e9]], masks.FAR),
        ([[1e12, 0, 1e12, 4, 1e12, 8]], masks.FAR),
        ([[0, 0, 1e308, 0, -1e308, 9]], masks.FAR),
        ([[0, 0, 1e308, 0, 9, 9]], masks.FAR),
        ([[0, 0, 9999, 0] * 500], masks.FAR),  # to and fro
        (dict(counts=[1]), masks.NOT_RLE),
        (dict(size=[HEIGHT], counts=[HEIGHT * WIDTH]), masks.NOT_RLE),
        (dict(size=[HEIGHT, WIDTH], counts=[]), masks.NOT_RLE),
        (dict(size=[HEIGHT, WIDTH], counts=[1.5, 2]), masks.NOT_RLE),
        (dict(size=[HEIGHT, WIDTH], counts=None), masks.NOT_RLE),
        (dict(size=[HEIGHT, WIDTH + 1], counts=[0, HEIGHT * (WIDTH + 1)]), masks.SIZE),
        (dict(size=[WIDTH, HEIGHT], counts=[0, HEIGHT * WIDTH]), masks.SWAPPED),
        (dict(size=[HEIGHT, WIDTH], counts='01P'), masks.DAMAGED),
        (dict(size=[HEIGHT, WIDTH], counts='ü'), masks.DAMAGED),
        (dict(size=[HEIGHT, WIDTH], counts='\ud800'), masks.DAMAGED),
        (dict(size=[HEIGHT, WIDTH], counts=''), masks.DAMAGED),
        (dict(size=[HEIGHT, WIDTH], counts='012'), masks.SUM),
        (dict(size=[HEIGHT, WIDTH], counts=[0, 5]), masks.SUM),
        (dict(size=[HEIGHT, WIDTH], counts=[-5, HEIGHT * WIDTH + 5]), masks.SUM),
        (dict(size=[HEIGHT, WIDTH], counts=[10**30, 5]), masks.SUM),
        (dict(size=[HEIGHT, WIDTH], counts=[2**63 - 1, 2**63 - 1, 2]), masks.SUM),
    ],
)
def test_one_error_names_the_broken_one_and_the_others_are_read(broken, message):
    extents, findings = check(FULL, broken, [TRIANGLE])
    assert findings == [('error', 'annotation 1: segmentation', message)]
    assert np.isnan(extents[1]).all()
    assert extents[[0, 2]].tolist() == [[0, 0, WIDTH, HEIGHT], [1, 2, 30, 50]]


def test_a_part_with_two_points_is_left_out_with_a_warning():
    extents, findings = check([TRIANGLE, [80, 1, 85, 2]])
    assert findings == [('warning', 'annotation 0: segmentation', masks.SHORT_PART)]
    assert extents.tolist() == [[1, 2, 30, 50]]


def test_a_long_outline_of_many_parts_is_sound():
    """The way from one part to the next is no outline."""
    parts = [[x, 1, x + 1, 1, x + 1, 2] for x in (0, 9000) * 500]
    _, findings = check(parts, [TRIANGLE])
    assert findings == []


def test_a_mask_without_a_pixel_is_a_warning():
    extents, findings = check(dict(size=[HEIGHT, WIDTH], counts=[HEIGHT * WIDTH]))
    assert findings == [('warning', 'annotation 0: segmentation', masks.NO_PIXEL)]
    assert np.isnan(extents).all()


def test_run_lengths_of_images_of_unknown_size_are_passed_over():
    extents, findings = check(FULL, size=(0, WIDTH))
    assert findings == [] and np.isnan(extents).all()


@pytest.mark.parametrize('value', [None, 'x', 3])
def test_neither_polygons_nor_run_lengths(value):
    _, ((level, where, message),) = check(value)
    assert (level, where) == ('error', 'annotation 0: segmentation')
    assert 'must be a list of polygons or a run-length encoding' in message


def test_keypoints_without_masks():
    records = Records([dict(id=7, keypoints=[1, 2, 2])], 'annotation', 'a.json')
    masks.check_masks(records, np.array([[HEIGHT, WIDTH]]))
    assert 'a file for keypoints, take the one for instances' in records.findings[0].message
