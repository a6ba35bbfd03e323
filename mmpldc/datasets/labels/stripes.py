"""Run lengths that go along the rows, told by their masks alone."""

from collections.abc import Callable

import numpy as np
from pycocotools import mask as mask_utils

STRIPES = (
    'the masks fall into stripes, but are whole if the run lengths are read along the rows: they '
    'must go down the columns: encode the masks anew'
)
MOST_MASKS = 50  # that are looked at
STRIPED = 3.0  # outlines so many times as long


def fall_into_stripes(
    segmentations: list, sizes: np.ndarray, rasterise: Callable[[dict, int, int], dict]
) -> bool:
    """Whether run lengths go along the rows instead of down the columns.

    Read in the wrong direction, an object becomes a stripe for each of its rows.

    Args:
        segmentations: N run lengths without a fault.
        sizes: ``(N, 2)`` int64 height and width of their images.
        rasterise: makes compressed run lengths of one, its height and its width.

    Returns:
        Whether most of up to 50 masks have an outline that is several times as long as that of the
        same run lengths along the rows.
    """
    step = 1 + len(segmentations) // MOST_MASKS
    striped = []
    for value, (height, width) in zip(segmentations[::step], sizes[::step].tolist(), strict=True):
        mask = mask_utils.decode(rasterise(value, height, width))
        along_rows = mask.ravel(order='F').reshape(height, width)
        striped.append(_outline(mask) > STRIPED * _outline(along_rows))
    return bool(striped) and float(np.mean(striped)) > 0.5


def _outline(mask: np.ndarray) -> int:
    """Edges between pixels of an object and others, of a mask ``(H, W)``."""
    padded = np.pad(mask, 1).astype(np.int8)
    return sum(int(np.count_nonzero(np.diff(padded, axis=axis))) for axis in (0, 1))
