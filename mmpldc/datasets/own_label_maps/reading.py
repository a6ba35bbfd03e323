"""Label maps as tools write them: numbers or colours, in any lossless format."""

from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image

from ..label_maps import UnusableLabelMap

HUGE = 65535  # the largest number of a 16-bit map


class RawMap(NamedTuple):
    """What a file holds.

    Attributes:
        values: ``(H, W)`` int32: numbers in [0, 65535], or colours as 65536 R + 256 G + B.
        is_color: which of these.
        remarks: what was seen through, in words.
    """

    values: np.ndarray
    is_color: bool
    remarks: tuple[str, ...] = ()


class Contents(NamedTuple):
    """What a label map shows.

    Attributes:
        size: height and width.
        values: ``(n,)`` int32, ascending, see :class:`RawMap`.
        counts: ``(n,)`` int64, their pixels.
        is_color: see :class:`RawMap`.
        remarks: likewise.
    """

    size: tuple[int, int]
    values: np.ndarray
    counts: np.ndarray
    is_color: bool
    remarks: tuple[str, ...]


def read_raw(path: str | Path, *, by_color: bool) -> RawMap:
    """Read a label map.

    Args:
        path: of an image that Pillow reads.
        by_color: whether colours tell the classes, in a palette too; else numbers do, also where
            three equal channels hold them.

    Raises:
        UnusableLabelMap: if it cannot be decoded, is a JPEG, or is no map of numbers or colours.
    """
    try:
        with Image.open(path) as image:
            image.load()
            kind, mode = image.format, image.mode
            if mode == 'P' and by_color:
                wanted = 'RGBA' if 'transparency' in image.info else 'RGB'
                pixels = np.array(image.convert(wanted))
            else:
                pixels = np.array(image)
    except Exception as error:  # decoders raise many types
        raise UnusableLabelMap(
            f'cannot be decoded ({type(error).__name__}): make or copy it again'
        ) from error
    if kind == 'JPEG':
        raise UnusableLabelMap(
            'is a JPEG, which changes numbers: save label maps as PNG, from the original'
        )
    remarks: list[str] = []
    if pixels.ndim == 3:
        pixels, is_color = _of_channels(pixels, by_color, remarks)
        if is_color:
            return RawMap(pixels, True, tuple(remarks))
    if np.issubdtype(pixels.dtype, np.floating):
        if not (np.isfinite(pixels).all() and (pixels == np.round(pixels)).all()):
            raise UnusableLabelMap('has fractions: save the number of each class')
        remarks.append('whole numbers stored as fractions')
    pixels = pixels.astype(np.int64)
    if pixels.min() < 0 or pixels.max() > HUGE:
        raise UnusableLabelMap(
            f'has values from {pixels.min()} to {pixels.max()}: numbers of classes are 0 to {HUGE}'
        )
    return RawMap(pixels.astype(np.int32), False, tuple(remarks))


def _of_channels(pixels: np.ndarray, by_color: bool, remarks: list[str]) -> tuple[np.ndarray, bool]:
    """Numbers ``(H, W)``, or colours as numbers, and which of these."""
    if pixels.shape[2] in (2, 4):
        clear = pixels[..., -1] == 0
        pixels = pixels[..., :-1]
        if clear.any():
            pixels = np.where(clear[..., None], 0, pixels)
            remarks.append('transparent pixels are taken for 0, black')
    red = pixels[..., 0]
    is_grey = all((red == pixels[..., channel]).all() for channel in range(1, pixels.shape[2]))
    if pixels.shape[2] == 1 or (is_grey and not by_color):
        if pixels.shape[2] > 1:
            remarks.append('three equal channels are taken for one')
        return red, False
    if not by_color:
        raise UnusableLabelMap(
            "is painted in colours: give --classes a file with a line 'R G B name' for each class"
        )
    channels = pixels[..., :3].astype(np.int32)
    return (channels[..., 0] << 16) | (channels[..., 1] << 8) | channels[..., 2], True


def read_contents(path: str | Path, *, by_color: bool) -> Contents:
    """Read a label map and count its values; see :func:`read_raw`."""
    raw = read_raw(path, by_color=by_color)
    flat = raw.values.ravel()
    # Label maps are made of runs, so sorting these is much faster than sorting pixels.
    starts = np.flatnonzero(np.diff(flat, prepend=flat[0] - 1))
    lengths = np.diff(starts, append=len(flat))
    values, group = np.unique(flat[starts], return_inverse=True)
    counts = np.bincount(group, weights=lengths).astype(np.int64)
    height, width = raw.values.shape
    return Contents((height, width), values, counts, raw.is_color, raw.remarks)


def color_of(value: int) -> tuple[int, int, int]:
    """R, G and B of a colour in :attr:`RawMap.values`."""
    return value >> 16, value >> 8 & 255, value & 255
