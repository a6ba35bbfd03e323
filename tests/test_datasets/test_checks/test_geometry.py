"""Coordinates of another unit."""

import numpy as np
import pytest

from mmpldc.datasets.checks.geometry import are_percent

NUMBER = 12
SIZES = np.tile([[480, 640]], (NUMBER, 1))


def extents(largest):
    """Twelve boxes, the last of which ends at ``largest`` in x and y."""
    ends = np.linspace(10, largest, NUMBER)
    return np.stack([ends - 9, ends - 9, ends, ends], axis=1)


@pytest.mark.parametrize(
    ('boxes', 'sizes', 'expected'),
    [
        (extents(97), SIZES, True),
        (extents(100.2), SIZES, True),
        (extents(101), SIZES, False),
        (extents(70), SIZES, False),  # a corner of the image
        (extents(97), SIZES // 6, False),  # images of 106 x 80 pixels
        (extents(97)[:9], SIZES[:9], False),  # few
        (np.full((NUMBER, 4), np.nan), SIZES, False),
    ],
)
def test_percent(boxes, sizes, expected):
    assert are_percent(boxes, sizes) is expected
