"""Boxes of annotations against the images that hold them."""

import numpy as np

from .records import NUMBER

LARGEST = 2.0**53  # px: training reads whole numbers of 64 bits, and adds two of them
TOLERANCE = 2.0  # px: annotation tools round differently, and count edges in or out


def read_boxes(values: list) -> np.ndarray:
    """Lists of four finite numbers as an array.

    Args:
        values: N lists, or None.

    Returns:
        ``(N, 4)`` float64; NaN where the value is anything else, or beyond :data:`LARGEST`.
    """
    numbers = frozenset({int, float})
    good = np.array(
        [
            value is not None and len(value) == 4 and numbers.issuperset(map(type, value))
            for value in values
        ],
        dtype=bool,
    )
    boxes = np.full((len(values), 4), np.nan)
    if good.any():
        chosen = [value for value, is_good in zip(values, good, strict=True) if is_good]
        try:
            boxes[good] = chosen
        except OverflowError:  # an integer beyond all floats
            boxes[good] = [list(map(to_float, value)) for value in chosen]
    with np.errstate(invalid='ignore'):
        boxes[~(np.abs(boxes) < LARGEST).all(axis=1)] = np.nan
    return boxes


def to_float(number: float) -> float:
    """The number, infinity for an integer beyond all floats."""
    try:
        return float(number)
    except OverflowError:
        return np.inf


def corners(boxes: np.ndarray) -> np.ndarray:
    """``(N, 4)`` x0, y0, x1, y1 of boxes given as x, y, width, height."""
    return np.concatenate([boxes[:, :2], boxes[:, :2] + boxes[:, 2:]], axis=1)


def beyond(extents: np.ndarray, sizes: np.ndarray) -> np.ndarray:
    """How far boxes leave their images.

    Args:
        extents: ``(N, 4)`` x0, y0, x1, y1 in pixels, or NaN.
        sizes: ``(N, 2)`` height and width of the images.

    Returns:
        ``(N,)`` pixels, 0 for a box inside, NaN for a NaN box.
    """
    after = extents[:, 2:] - sizes[:, ::-1]
    return np.maximum(np.concatenate([-extents[:, :2], after], axis=1).max(axis=1), 0)


def intersection(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """``(N,)`` area that two boxes x0, y0, x1, y1, each ``(N, 4)``, have in common."""
    low = np.maximum(first[:, :2], second[:, :2])
    high = np.minimum(first[:, 2:], second[:, 2:])
    return np.maximum(high - low, 0).prod(axis=1)


def visible(extents: np.ndarray, sizes: np.ndarray) -> np.ndarray:
    """``(N,)`` area of boxes x0, y0, x1, y1 inside their images of ``(N, 2)`` height and width."""
    return intersection(extents, np.concatenate([np.zeros_like(sizes), sizes[:, ::-1]], axis=1))


def iou(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """``(N,)`` intersection over union of boxes x0, y0, x1, y1; 0 for two empty ones."""
    common = intersection(first, second)
    union = sum(np.maximum(box[:, 2:] - box[:, :2], 0).prod(axis=1) for box in (first, second))
    union = union - common
    return np.divide(common, union, out=np.zeros_like(common), where=union > 0)


def disagree(boxes: np.ndarray, extents: np.ndarray) -> np.ndarray:
    """``(N,)`` bool: boxes x0, y0, x1, y1 with an IoU below 0.5 that are clearly apart."""
    return (iou(boxes, extents) < 0.5) & _are_apart(boxes, extents)


def look_like_corners(boxes: np.ndarray, extents: np.ndarray) -> np.ndarray:
    """Boxes that fit their masks if their four numbers are x0, y0, x1, y1.

    Args:
        boxes: ``(N, 4)``, said to be x, y, width, height.
        extents: ``(N, 4)`` x0, y0, x1, y1 of the masks.

    Returns:
        ``(N,)`` bool; all False unless one fits clearly better so.
    """
    edges = corners(boxes)
    as_corners, as_annotated = iou(boxes, extents), iou(edges, extents)
    fits = as_corners > 0.9
    clearly = fits & (as_corners > as_annotated + 0.2) & _are_apart(edges, extents)
    return fits & (as_corners > as_annotated) & clearly.any()


def _are_apart(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Whether a side is elsewhere; an outline of a few pixels is one smaller than its box."""
    return np.abs(first - second).max(axis=1) > TOLERANCE


def is_rectangle(segmentation: object) -> bool:
    """Whether a mask is one polygon with the corners of a box, closed or not."""
    if type(segmentation) is not list or len(segmentation) != 1:
        return False
    (ring,) = segmentation
    if type(ring) is not list or len(ring) not in (8, 10) or not NUMBER.issuperset(map(type, ring)):
        return False
    xs, ys = ring[::2], ring[1::2]
    return (len(set(xs)), len(set(ys)), len(set(zip(xs, ys, strict=True)))) == (2, 2, 4)
