"""Boxes, areas and masks of annotations: in their images, and fitting each other?"""

import numpy as np

from .boxes import (
    TOLERANCE,
    beyond,
    corners,
    disagree,
    look_like_corners,
    read_boxes,
    to_float,
    visible,
)
from .findings import Level
from .masks import check_masks
from .records import NUMBER, Records


def check_geometry(annotations: Records, sizes: np.ndarray, crowds: np.ndarray) -> np.ndarray:
    """Check where annotations are; findings are added to them.

    An annotation gets one finding: its box is compared with its mask only if both can be used.

    Args:
        annotations: N of them.
        sizes: ``(N, 2)`` int64 height and width of their images, 0 where unknown.
        crowds: ``(N,)`` bool.

    Returns:
        ``(N,)`` float64 areas as annotated, 0 where unknown.
    """
    boxes = _read_boxes(annotations)
    area = _read_areas(annotations)
    extents, segmentations = check_masks(annotations, sizes)
    polygons = np.array([type(value) is list for value in segmentations], bool)
    message = 'a crowd with polygons; COCO gives crowds a run-length encoding: check iscrowd'
    annotations.report('warning', crowds & polygons, 'segmentation', message)

    edges = corners(boxes)
    unjudged = sizes.all(axis=1) & ~np.isnan(boxes).any(axis=1)  # the others have an error
    has_mask = ~np.isnan(extents).any(axis=1)
    are_corners = has_mask & look_like_corners(boxes, extents)

    def report(level: Level, rows: np.ndarray, field: str, message: str) -> None:
        nonlocal unjudged
        rows = rows & unjudged
        annotations.report(level, rows, field, message)
        unjudged = unjudged & ~rows

    report(
        'warning',
        are_corners,
        'bbox',
        'is [x0, y0, x1, y1] by its mask; COCO has [x, y, width, height]',
    )
    report(
        'error',
        (boxes[:, 2:] > 0).all(axis=1) & (visible(edges, sizes) == 0),
        'bbox',
        'outside the image: boxes are [x, y, width, height] in pixels of the original image',
    )
    report(
        'warning',
        (boxes[:, 2:] < 1).any(axis=1) | (area <= 0),
        'bbox, area',
        'width or height below 1 or no area: mmdet leaves the annotation out; delete it',
    )
    report(
        'warning',
        beyond(edges, sizes) > TOLERANCE,
        'bbox',
        'partly outside the image: clip it',
    )
    unjudged &= has_mask
    report(
        'error',
        (extents[:, 2:] > extents[:, :2]).all(axis=1) & (visible(extents, sizes) == 0),
        'segmentation',
        'outside the image: polygons are in pixels of the original image',
    )
    report(
        'warning',
        beyond(extents, sizes) > TOLERANCE,
        'segmentation',
        'partly outside the image: clip it',
    )
    if not are_corners.any():  # then the others are no better
        message = 'does not fit its mask: compute it from that'
        report('warning', disagree(edges, extents), 'bbox', message)
    return np.nan_to_num(area)


def _read_boxes(annotations: Records) -> np.ndarray:
    """``(N, 4)`` x, y, width, height; NaN where they cannot be used."""
    values = annotations.column('bbox', {list}, '[x, y, width, height]')
    boxes = read_boxes(values)
    given = np.array([value is not None for value in values], bool)
    unread = np.isnan(boxes).any(axis=1)
    message = 'not four finite numbers: write [x, y, width, height]'
    annotations.report('error', given & unread, 'bbox', message)
    negative = ~unread & (boxes[:, 2:] < 0).any(axis=1)
    message = (
        'negative width or height: write [x, y, width, height], x and y of the top left corner'
    )
    annotations.report('error', negative, 'bbox', message)
    boxes[negative] = np.nan
    return boxes


def _read_areas(annotations: Records) -> np.ndarray:
    """``(N,)``; NaN where they cannot be used."""
    values = annotations.column('area', NUMBER, "the mask's number of pixels")
    area = np.array([np.nan if value is None else to_float(value) for value in values])
    given = np.array([value is not None for value in values], bool)
    message = "not a finite number: write the mask's number of pixels"
    annotations.report('error', given & ~np.isfinite(area), 'area', message)
    area[~np.isfinite(area)] = np.nan
    return area
