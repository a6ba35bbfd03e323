"""A rough look at pictures: which of them can be the same at all.

Few images of a folder look like an annotated one. A small thumbnail tells which, so that only these
need a perceptual hash. A JPEG is decoded at about the thumbnail's size, which takes two
thirds of the time that the hash's thumbnail takes.
"""

from bisect import bisect_left
from collections.abc import Sequence

import cv2
import numpy as np
from PIL import Image

from mmpldc.utils.threads import in_threads

from .perceptual_hash import MIN_CONTRAST, read_grey
from .remembered import Known, remembered

SIDE = 32  # pixels of the thumbnail
CELLS = 8  # along each side; a cell is the mean of 4 x 4 pixels
# Root mean square over the cells, in standard deviations of a thumbnail. Those of copies, as
# find_same_pictures compares them, differ by at most 0.15 each; benchmarks/copies.py measures how
# far these looks are from each other.
MAX_DIFFERENCE = 0.3
CHUNK = 1024  # images at a time

_known: Known = {}  # looks of this process


def look_alike(paths: Sequence[str], originals: Sequence[str]) -> tuple[list[str], list[str]]:
    """Images that may show the same as one of the others, and these others.

    Args:
        paths: of images.
        originals: of images to compare them with. Both may be the same list: an image is not
            compared with itself.

    Returns:
        Those of ``paths`` that look like an original, as it is or mirrored, and the originals
        that they look like, each in their order. Images without contrast are not among them.
    """
    own, looks = look_at(paths)
    others, their_looks = look_at(originals)
    is_candidate, is_original = np.zeros(len(own), bool), np.zeros(len(others), bool)
    place = {path: row for row, path in enumerate(others)}
    itself = [(row, place[path]) for row, path in enumerate(own) if path in place]
    for theirs in (their_looks, their_looks[:, :, ::-1]):
        for start in range(0, len(own), CHUNK):
            near = _near(looks[start : start + CHUNK], theirs)
            for row, column in itself[bisect_left(itself, (start,)) :]:
                if row >= start + CHUNK:
                    break
                near[row - start, column] = False
            is_candidate[start : start + CHUNK] |= near.any(axis=1)
            is_original |= near.any(axis=0)
    return (
        [own[row] for row in np.flatnonzero(is_candidate)],
        [others[row] for row in np.flatnonzero(is_original)],
    )


def look_at(paths: Sequence[str]) -> tuple[list[str], np.ndarray]:
    """Look at images. Those that were looked at before, and have not changed, are not read again.

    Args:
        paths: of images.

    Returns:
        The N different ones that can be decoded and have some contrast, and ``(N, 8, 8)`` float32,
        the means of the cells of their thumbnails, scaled to mean 0 and deviation 1 of a pixel.
    """
    found = remembered(paths, _looks, _known)
    cells = np.frombuffer(b''.join(found.values()), np.float32)
    return list(found), cells.reshape(len(found), CELLS, CELLS)


def _near(own: np.ndarray, others: np.ndarray) -> np.ndarray:
    """``(N, K)`` bool, whether the cells of N looks differ from those of K by the limit at most."""
    first, second = (looks.reshape(len(looks), CELLS * CELLS) for looks in (own, others))
    squares = (first**2).sum(1)[:, None] + (second**2).sum(1) - 2 * first @ second.T
    return squares <= CELLS * CELLS * MAX_DIFFERENCE**2 + 1e-3  # which rounding is below


def _looks(paths: list[str]) -> list[bytes | None]:
    return in_threads(_look, paths)


def _look(path: str) -> bytes | None:
    image = read_grey(path, SIDE)
    cells = None if image is None else cells_of(image)
    return None if cells is None else cells.tobytes()


def cells_of(image: Image.Image) -> np.ndarray | None:
    """``(8, 8)`` float32 cells of a grey image, see :func:`look_at`; None without contrast."""
    thumbnail = np.asarray(image.resize((SIDE, SIDE), Image.Resampling.BOX))
    mean, deviation = cv2.meanStdDev(thumbnail)
    if deviation[0, 0] < MIN_CONTRAST / 2:  # the hash's own thumbnail is sharper
        return None
    size = (CELLS, CELLS)
    cells = cv2.resize(thumbnail.astype(np.float32), size, interpolation=cv2.INTER_AREA)
    return ((cells - mean[0, 0]) / deviation[0, 0]).astype(np.float32)
