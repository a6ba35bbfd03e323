"""Boxes, areas and masks of annotations: in their images, and fitting each other?"""

import cv2
import numpy as np

from .boxes import (
    TOLERANCE,
    beyond,
    corners,
    disagree,
    iou,
    is_rectangle,
    look_like_corners,
    read_boxes,
    to_float,
    visible,
)
from .findings import Level
from .masks import check_masks, read_masks
from .records import NUMBER, Records

SMALLEST_IMAGE = 8  # px: what lies within one pixel of a larger one's corner is given in shares
MANY = 10  # annotations, some of which reach beyond 80 percent in x and in y
PERCENT = (
    'no coordinate is above 100, though the images are larger: if they are percent of width and '
    'height, multiply them by these and divide by 100'
)
HOLE = (
    'a polygon lies inside another one, and the area says that it is a hole; COCO fills it: give '
    'the mask as a run-length encoding'
)
HOLE_OR_NOT = (
    'a polygon lies inside another one, and there is no area to say whether it is a hole; COCO '
    'fills it: if it is one, give the mask as a run-length encoding'
)
RECTANGLES = (
    'every mask is an upright rectangle: if boxes were drawn, they are no masks to learn from: '
    'export polygons or masks'
)
ALONG_ROWS = (
    'the run lengths go along the rows (by the box, which is right); they must go down the '
    'columns: encode the masks anew'
)


def check_geometry(
    annotations: Records, sizes: np.ndarray, crowds: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Check where annotations are; findings are added to them.

    An annotation gets one finding: its box is compared with its mask only if both can be used.

    Args:
        annotations: N of them.
        sizes: ``(N, 2)`` int64 height and width of their images, 0 where unknown.
        crowds: ``(N,)`` bool.

    Returns:
        ``(N,)`` float64 areas as annotated, 0 where unknown, and ``(N,)`` bool: those that mmdet
        leaves out because of their box or area.
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

    shares = are_shares(extents, sizes)
    annotations.report(
        'error',
        shares,
        'segmentation',
        'shares of the image, 0 to 1, where pixels belong: multiply x by width and y by height',
    )
    unjudged &= ~shares
    if are_percent(extents, sizes):
        annotations.report('warning', has_mask, 'segmentation', PERCENT)
    if len(segmentations) >= MANY and all(map(is_rectangle, segmentations)):
        annotations.report('warning', has_mask, 'segmentation', RECTANGLES)
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
        apart = disagree(edges, extents)
        along_rows = _along_rows(segmentations, sizes, edges, apart & unjudged)
        report('error', along_rows, 'segmentation', ALONG_ROWS)
        message = 'box and mask do not fit each other: look at both, one of them is wrong'
        report('warning', apart, 'bbox, segmentation', message)
    report('warning', _has_filled_hole(segmentations, area), 'segmentation', HOLE)
    with np.errstate(invalid='ignore'):
        dropped = (boxes[:, 2:] < 1).any(axis=1) | (area <= 0) | (visible(edges, sizes) == 0)
    return np.nan_to_num(area), dropped


def are_shares(extents: np.ndarray, sizes: np.ndarray) -> np.ndarray:
    """Masks whose coordinates are shares of the image's width and height.

    Args:
        extents: ``(N, 4)`` x0, y0, x1, y1 of the masks, NaN where unknown.
        sizes: ``(N, 2)`` height and width of their images.

    Returns:
        ``(N,)`` bool.
    """
    with np.errstate(invalid='ignore'):
        inside = (np.abs(extents - 0.5) <= 0.501).all(axis=1)
    return inside & (sizes.min(axis=1) >= SMALLEST_IMAGE)


def are_percent(extents: np.ndarray, sizes: np.ndarray) -> bool:
    """Whether coordinates seem to be percent of width and height.

    Args:
        extents, sizes: see :func:`are_shares`.
    """
    known = ~np.isnan(extents).any(axis=1) & sizes.all(axis=1)
    if known.sum() < MANY or sizes[known].min() < 110 or sizes[known].max() < 150:
        return False
    reach = extents[known][:, 2:].max(axis=0)
    return bool((extents[known] >= -0.5).all() and (reach <= 100.5).all() and (reach > 80).all())


def _along_rows(
    segmentations: list, sizes: np.ndarray, edges: np.ndarray, suspects: np.ndarray
) -> np.ndarray:
    """``(N,)`` bool: run lengths among ``suspects`` that fit their boxes if read along the rows."""
    found = np.zeros(len(segmentations), bool)
    rows = [row for row in np.flatnonzero(suspects) if type(segmentations[row]) is dict]
    if rows:
        # The same runs of an image on its side go along the rows of the upright one.
        turned = [segmentations[row] | dict(size=sizes[row, ::-1].tolist()) for row in rows]
        extents, _ = read_masks(turned, sizes[rows][:, ::-1])
        upright = extents[:, [1, 0, 3, 2]]
        found[rows] = iou(edges[rows], upright) > 0.9
    return found


def _has_filled_hole(segmentations: list, area: np.ndarray) -> np.ndarray:
    """``(N,)`` bool: polygons in which another one lies that the area is without."""
    found = np.zeros(len(segmentations), bool)
    for row, parts in enumerate(segmentations):
        if type(parts) is not list or len(parts) < 2:
            continue
        rings, inner = _rings(parts)
        if inner:
            filled = sum(map(_shoelace, rings)) - sum(map(_shoelace, inner))
            holed = filled - sum(map(_shoelace, inner))
            found[row] = abs(area[row] - holed) < abs(area[row] - filled)
    return found


def has_inner_ring(annotations: list[dict]) -> np.ndarray:
    """``(N,)`` bool: annotations with a polygon inside another one of theirs."""
    several = [
        type(parts) is list and len(parts) > 1 and bool(_rings(parts)[1])
        for parts in (annotation.get('segmentation') for annotation in annotations)
    ]
    return np.array(several, bool)


def _rings(parts: list) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """Polygons as ``(P, 2)``, and those of them that lie inside another one."""
    rings = [np.reshape(part, (-1, 2)) for part in parts if _is_ring(part)]
    # an array for each side: with thousands of parts, rows of two numbers would take seconds
    x0, y0 = np.array([ring.min(axis=0) for ring in rings]).reshape(-1, 2).T.copy()
    x1, y1 = np.array([ring.max(axis=0) for ring in rings]).reshape(-1, 2).T.copy()
    inner = []
    for row, ring in enumerate(rings):
        around = (x0 <= x0[row]) & (y0 <= y0[row]) & (x1 >= x1[row]) & (y1 >= y1[row])
        around[row] = False
        if any(_contains(rings[other], ring) for other in np.flatnonzero(around)):
            inner.append(ring)
    return rings, inner


def _is_ring(part: object) -> bool:
    return (
        type(part) is list
        and len(part) >= 6
        and len(part) % 2 == 0
        and NUMBER.issuperset(map(type, part))
    )


def _contains(outer: np.ndarray, inner: np.ndarray) -> bool:
    """Whether all points of a ring ``(P, 2)`` are inside another one."""
    contour = outer.astype(np.float32).reshape(-1, 1, 2)
    return all(cv2.pointPolygonTest(contour, (float(x), float(y)), False) > 0 for x, y in inner)


def _shoelace(ring: np.ndarray) -> float:
    x, y = ring.T
    return abs(float(x @ np.roll(y, -1) - y @ np.roll(x, -1))) / 2


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
