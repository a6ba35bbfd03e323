"""Boxes against hand-worked values."""

import numpy as np
import pytest

from mmpldc.datasets.checks.boxes import (
    beyond,
    corners,
    disagree,
    iou,
    is_rectangle,
    read_boxes,
    to_float,
    visible,
)

SIZE = np.array([[80, 100]])  # 100 wide


def test_lists_become_an_array_and_the_rest_nan():
    values = [[1, 2.5, 3, 4], None, [1, 2, 3], [1, 2, 3, '4'], [1, 2, 3, float('nan')], [True] * 4]
    boxes = read_boxes(values)
    assert boxes[0].tolist() == [1, 2.5, 3, 4]
    assert np.isnan(boxes[1:]).all() and boxes.shape == (6, 4)
    assert read_boxes([]).shape == (0, 4)


def test_an_integer_beyond_all_floats_is_no_number():
    boxes = read_boxes([[1, 2, 3, 4], [1, 2, 3, 10**400]])
    assert boxes[0].tolist() == [1, 2, 3, 4] and np.isnan(boxes[1]).all()
    assert np.isnan(read_boxes([[1, 2, 2**63, 4], [1, -1e300, 3, 4]])).all()  # of 64 bits
    assert to_float(-(10**400)) == float('inf')  # of either sign: it is no number to us


def test_corners():
    assert corners(np.array([[1.0, 2, 3, 4]])).tolist() == [[1, 2, 4, 6]]


@pytest.mark.parametrize(
    ('box', 'pixels', 'area'),
    [
        ([0, 0, 100, 80], 0, 8000),
        ([-3, 0, 10, 10], 3, 100),
        ([0, -4.5, 10, 10], 4.5, 100),
        ([90, 70, 107, 80], 7, 100),
        ([90, 70, 100, 85], 5, 100),
        ([100, 0, 110, 10], 10, 0),
        ([-10, -10, 0, 0], 10, 0),
    ],
)
def test_how_far_a_box_leaves_its_image(box, pixels, area):
    box = np.array([box], float)
    assert beyond(box, SIZE) == pixels
    assert visible(box, SIZE) == area


@pytest.mark.parametrize(
    ('first', 'second', 'expected'),
    [
        ([0, 0, 10, 10], [0, 0, 10, 10], 1),
        ([0, 0, 10, 10], [5, 0, 15, 10], 50 / 150),
        ([0, 0, 10, 10], [10, 0, 20, 10], 0),
        ([0, 0, 10, 10], [2, 2, 4, 4], 4 / 100),
        ([0, 0, 0, 0], [0, 0, 0, 0], 0),
    ],
)
def test_iou(first, second, expected):
    assert iou(np.array([first], float), np.array([second], float)) == pytest.approx(expected)


def test_small_outlines_may_be_a_pixel_smaller():
    assert not disagree(np.array([[5.0, 5, 7, 7]]), np.array([[5.0, 5, 6, 6]]))
    assert disagree(np.array([[5.0, 5, 25, 25]]), np.array([[5.0, 5, 15, 15]]))
    assert not disagree(np.array([[5.0, 5, 25, 25]]), np.array([[5.0, 5, 20, 20]]))  # IoU 0.56
    assert not disagree(np.array([[5.0, 5, 25, 25]]), np.full((1, 4), np.nan))


@pytest.mark.parametrize(
    ('segmentation', 'expected'),
    [
        ([[1, 2, 9, 2, 9, 5.5, 1, 5.5]], True),
        ([[1, 2, 1, 5, 9, 5, 9, 2, 1, 2]], True),  # closed
        ([[1, 2, 9, 2, 9, 5, 1, 6]], False),
        ([[1, 2, 9, 2, 9, 5, 9, 2]], False),
        ([[1, 2, 9, 2, 9, 5]], False),
        ([[1, 2, 9, 2, 9, 5, 1, 5]] * 2, False),
        (dict(size=[9, 9], counts='x'), False),
        ([['1', 2, 9, 2, 9, 5, 1, 5]], False),
        (None, False),
    ],
)
def test_masks_that_are_boxes(segmentation, expected):
    assert is_rectangle(segmentation) is expected
