"""Outlines whose x and y are two lists, which COCO's form takes for two polygons."""

import numpy as np

XS_AND_YS = (
    'two lists of one length, read as two polygons: if they are the x and the y of one outline, '
    'write them as [[x, y, x, y, ...]]'
)
MOST_READ = 100  # outlines that are looked at
MOST_POINTS = 500  # of one that is looked at: each pair of its edges is compared


def are_xs_and_ys(segmentations: list, sizes: np.ndarray) -> bool:
    """Whether all outlines of a file may be the x and the y of one outline each.

    Most pairs of polygons that are taken for that make an outline that crosses itself.

    Args:
        segmentations: N of them, without a fault.
        sizes: ``(N, 2)`` height and width of their images.
    """
    pairs = [
        parts
        for parts in segmentations
        if type(parts) is list and len(parts) == 2 and len(parts[0]) == len(parts[1])
    ]
    return 0 < len(pairs) == len(segmentations) and all(
        _is_outline(np.array(parts, float).T, size[::-1])
        for parts, size in zip(pairs[:MOST_READ], sizes[:MOST_READ], strict=True)
    )


def _is_outline(points: np.ndarray, sides: np.ndarray) -> bool:
    """Whether ``(P, 2)`` points lie in an image, and their outline does not cross itself."""
    points = points[(points != np.roll(points, 1, axis=0)).any(axis=1)]
    if not 3 <= len(points) <= MOST_POINTS or (points < -1).any() or (points > sides + 1).any():
        return False
    ends = np.roll(points, -1, axis=0)
    # on which side of edge i the first point of edge j is, and the last one
    edges = (ends - points)[:, None]
    first, last = (_cross(edges, other[None] - points[:, None]) for other in (points, ends))
    passes = first * last <= 0
    meet = passes & passes.T & ((first != 0) | (last != 0))
    places = np.arange(len(points))
    apart = (places[:, None] - places[None]) % len(points)
    return not meet[(apart > 1) & (apart < len(points) - 1)].any()


def _cross(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    return np.sign(one[..., 0] * other[..., 1] - one[..., 1] * other[..., 0])
