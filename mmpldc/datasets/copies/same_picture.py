"""Images that show the same, stored anew: another format or quality, another size, mirrored.

How the limits were chosen: docs/data.md, and ``benchmarks/copies.py``, which measures them on a
folder of photographs.
"""

from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import Literal

import numpy as np
from PIL import Image

from mmpldc.utils.files import FileIdentity, file_identity

from .perceptual_hash import BITS, SIDE, hash_files, mirrored, read_grey, squeeze
from .rough_look import look_alike

MAX_DISTANCE = 32  # bits of 256
# Of the means of 4 x 4 pixels of two thumbnails, in standard deviations of a thumbnail.
MAX_DIFFERENCE = 0.15
FINE_SIDE = 128  # pixels of the thumbnail that is compared, if both images have as many
CHUNK = 1024  # images at a time

How = Literal['alike', 'mirrored']


def find_same_pictures(paths: Sequence[str], originals: Sequence[str]) -> dict[str, str]:
    """Images that are another one, stored anew.

    Candidates are images that look alike (:mod:`.rough_look`) and whose perceptual hashes differ in
    at most 32 of 256 bits. They are copies if their pixels agree, too: frames of a fixed camera in
    which something has moved may have the same hash, but are different images.

    Args:
        paths: images to look at. Those that cannot be decoded, or have no contrast, are passed
            over.
        originals: images to compare them with.

    Returns:
        Path to original, in the order of ``paths``; an image is no copy of itself.
    """
    own, others = map(hash_files, look_alike(paths, originals))
    found: dict[str, str] = {}
    for how in ('alike', 'mirrored'):
        for path, candidates in _candidates(own, others, how):
            if path not in found:
                same = (other for other in candidates if other != path and _agree(path, other, how))
                original = next(same, None)
                if original is not None:
                    found[path] = original
    return {path: found[path] for path in own[0] if path in found}


Hashed = tuple[list[str], np.ndarray]  # N paths and their ``(N, 16, 16)`` bits


def _candidates(own: Hashed, others: Hashed, how: How) -> Iterator[tuple[str, list[str]]]:
    """Each path that has originals within the distance, with these, the nearest first."""
    theirs = _as_signs(others[1] if how == 'alike' else mirrored(others[1]))
    for start in range(0, len(own[0]), CHUNK):
        # as many signs agree as (bits + product) / 2
        products = _as_signs(own[1][start : start + CHUNK]) @ theirs.T
        near = products >= BITS * BITS - 2 * MAX_DISTANCE
        for row in np.flatnonzero(near.any(axis=1)):
            columns = np.flatnonzero(near[row])
            columns = columns[np.argsort(-products[row, columns], kind='stable')]
            yield own[0][start + row], [others[0][column] for column in columns]


def _as_signs(bits: np.ndarray) -> np.ndarray:
    return np.where(bits, np.float32(1), np.float32(-1)).reshape(len(bits), BITS * BITS)


def _agree(path: str, other: str, how: How) -> bool:
    """Whether two images have the same pixels, but for what storing them changes."""
    own, theirs = _details(file_identity(path)), _details(file_identity(other))
    finest = min(len(own), len(theirs)) - 1
    if finest < 0:
        return False
    first, second = own[finest], theirs[finest]
    if how == 'mirrored':
        second = second[:, ::-1]
    return float(np.abs(first - second).max()) <= MAX_DIFFERENCE


@lru_cache(maxsize=4096)
def _details(file: FileIdentity | None) -> tuple[np.ndarray, ...]:
    """Details of an image file; nothing if it cannot be decoded."""
    image = None if file is None else read_grey(file.path, 2 * FINE_SIDE)
    return () if image is None else details_of(image)


def details_of(image: Image.Image) -> tuple[np.ndarray, ...]:
    """Means of 4 x 4 pixels of an image's thumbnails, scaled to mean 0 and deviation 1.

    Args:
        image: of mode 'L'.

    Returns:
        ``(16, 16)`` of the thumbnail of 64 pixels, and ``(32, 32)`` of that of 128 if the image
        has as many.
    """
    details = []
    for side in (SIDE, FINE_SIDE) if min(image.size) >= FINE_SIDE else (SIDE,):
        pixels = squeeze(image, side).astype(np.float32)
        pixels = (pixels - pixels.mean()) / max(float(pixels.std()), 1e-6)
        details.append(pixels.reshape(side // 4, 4, side // 4, 4).mean(axis=(1, 3)))
    return tuple(details)
