"""Coordinates of another unit."""

import numpy as np
import pytest

from mmpldc.datasets.checks.annotations import check_coco
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


@pytest.mark.parametrize(
    ('number', 'others', 'warned'), [(10, 0, True), (9, 0, False), (12, 1, False)]
)
def test_boxes_drawn_as_polygons(coco, number, others, warned):
    """All of them, and many: a detector's labels are no masks."""
    square = coco['annotations'][0]
    coco['annotations'] = [square | dict(id=place) for place in range(1, number + others + 1)]
    for one in coco['annotations'][:others]:
        one['segmentation'] = [[10, 20, 40, 20, 40, 40]]
    findings, _ = check_coco(coco, file='a.json', role='labeled')
    said = [str(finding) for finding in findings if 'rectangle' in finding.message]
    assert len(said) == warned and all(one.startswith('warning: a.json: ') for one in said)
