"""Shapes as labelme has them: which are known, and what they cover."""

import base64
import io
import math
from numbers import Real

import numpy as np
from PIL import Image

from .coco import near

# Points that a shape has at least.
MIN_POINTS = {
    'polygon': 3,
    'rectangle': 2,
    'oriented_rectangle': 4,
    'rotation': 4,  # the same of X-AnyLabeling
    'circle': 2,
    'mask': 2,
}
CIRCLE_POINTS = 64  # in between, the polygon is 0.12 % of the radius inside the circle
REMEDY = 'draw it anew or leave such shapes out with --skip-unsupported'


def unsupported(shape: dict) -> str | None:
    """What kind of shape it is, if ``--skip-unsupported`` leaves it out."""
    kind = shape['shape_type']
    if kind not in MIN_POINTS:
        return kind
    return f'{kind} with too few points' if _num_points(shape) < MIN_POINTS[kind] else None


def _num_points(shape: dict) -> int:
    return len(shape['points']) if isinstance(shape['points'], list) else 0


def check_points(shape: dict, where: str) -> None:
    """Raise ValueError if a shape has too few points, or one that is not two numbers."""
    points, kind = shape['points'], shape['shape_type']
    if _num_points(shape) < MIN_POINTS[kind]:
        found = _num_points(shape) or 'no'
        raise ValueError(f'{where}, a {kind}, has {found} points: too few: {REMEDY}')
    for number, point in enumerate(points):
        is_pair = isinstance(point, list) and len(point) == 2
        if not is_pair or not all(isinstance(v, Real) and math.isfinite(v) for v in point):
            raise ValueError(f'{where}: point {number} is {point}, not two numbers')


def outline_of(shape: dict, where: str) -> list[float]:
    """A shape as a polygon ``[x1, y1, x2, y2, ...]``; ``where`` it is goes into the error."""
    points, kind = shape['points'], shape['shape_type']
    if kind == 'rectangle':  # two opposite corners, or all four
        xs, ys = zip(*points, strict=True)
        left, right, top, bottom = min(xs), max(xs), min(ys), max(ys)
        points = [(left, top), (right, top), (right, bottom), (left, bottom)]
    elif kind == 'circle':  # center and a point on the circle
        (x, y), rim = points[0], points[1]
        radius = math.dist((x, y), rim)
        angles = [2 * math.pi * i / CIRCLE_POINTS for i in range(CIRCLE_POINTS)]
        points = [(x + radius * math.cos(a), y + radius * math.sin(a)) for a in angles]
    return near([value for point in points for value in point], where)


def mask_of(shape: dict, where: str, width: int, height: int) -> np.ndarray:
    """A mask, which labelme stores as a PNG of its box, in the frame of the image.

    Returns:
        ``(height, width)`` bool; what lies outside the image is cut off.
    """
    try:
        content = base64.b64decode(shape['mask'], validate=True)
        with Image.open(io.BytesIO(content)) as image:
            part = np.asarray(image.convert('L')) > 0
    except Exception as error:  # a missing or broken text, or a broken PNG
        raise ValueError(f"{where}: its 'mask' is not a PNG in base64 ({error})") from None
    xs, ys = zip(*shape['points'], strict=True)
    down, across = part.shape
    sides = (across, max(xs) - min(xs)), (down, max(ys) - min(ys))
    # from the first pixel to the last one, or behind it; both rounded
    if not all(-1 <= pixels - extent <= 2 for pixels, extent in sides):
        raise ValueError(
            f"{where}: its 'mask' is a PNG of {across} x {down} pixels, but its box is one of "
            f'{sides[0][1] + 1:g} x {sides[1][1] + 1:g}: draw it anew'
        )
    left, top = round(min(xs)), round(min(ys))
    mask = np.zeros((height, width), bool)
    x, y = max(left, 0), max(top, 0)
    part = part[y - top : max(height - top, 0), x - left : max(width - left, 0)]
    mask[y : y + part.shape[0], x : x + part.shape[1]] = part
    return mask
