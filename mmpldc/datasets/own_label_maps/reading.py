"""Label maps as tools write them: numbers or colours, in any lossless format."""

from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
from PIL import Image

from ..image_header import fault_of_orientation, open_image, pages_of, why_not_decoded
from ..label_maps import UnusableLabelMap
from .classes import HUGE, Color


class RawMap(NamedTuple):
    """What a file holds, as runs of equal pixels, of which label maps are made.

    Attributes:
        size: height and width.
        values: ``(n,)`` int64 of each run, row by row: numbers in [0, 65535], or colours as
            65536 B + 256 G + R.
        lengths: ``(n,)`` int64, their pixels.
        is_color: which of these.
        remarks: what was seen through, in words.
        palette: index -> RGB, if ``values`` are indices of a palette; else empty.
        is_bit: whether 1 is white.
    """

    size: tuple[int, int]
    values: np.ndarray
    lengths: np.ndarray
    is_color: bool
    remarks: tuple[str, ...] = ()
    palette: Mapping[int, Color] = {}
    is_bit: bool = False


class Contents(NamedTuple):
    """What a label map shows.

    Attributes:
        size: height and width.
        values: ``(n,)`` int64, ascending, see :class:`RawMap`.
        counts: ``(n,)`` int64, their pixels.
        is_color: see :class:`RawMap`.
        remarks: likewise.
        palette: likewise, of the indices that occur.
        is_bit: likewise.
    """

    size: tuple[int, int]
    values: np.ndarray
    counts: np.ndarray
    is_color: bool
    remarks: tuple[str, ...]
    palette: Mapping[int, Color]
    is_bit: bool


def read_raw(path: str | Path, *, by_color: bool, by_grey: bool = False) -> RawMap:
    """Read a label map.

    Args:
        path: of an image that Pillow reads.
        by_color: whether colours tell the classes, in a palette too; else numbers do, also where
            three equal channels hold them.
        by_grey: whether grey levels of a palette are the numbers, see :mod:`.palettes`; else its
            indices are.

    Raises:
        UnusableLabelMap: if it cannot be decoded, is stored with loss, or is no map of numbers or
            colours.
    """
    palette: dict[int, Color] = {}
    try:
        with open_image(path) as image:
            pages = pages_of(image)
            kind, mode, bands = image.format, image.mode, len(image.getbands())
            is_lossy = kind == 'JPEG' or _is_lossy(image, path)
            is_deep = bands > 1 and any(';16' in str(tile) for tile in image.tile)
            if fault := fault_of_orientation(image):
                raise UnusableLabelMap(fault)
            image.load()
            if mode == 'P' and by_color:
                _check_colors(image)
            if bands > 1 or (mode == 'P' and by_color):
                pixels = np.array(image.convert('RGBA'))
            elif mode == 'P' and (by_grey or (kind == 'GIF' and _is_grey(image))):
                pixels = np.array(image.convert('L'))  # a GIF numbers its colours as it likes
            else:
                pixels = np.array(image)
                palette = dict(enumerate(_table(image) if mode == 'P' else ()))
        if is_deep:
            pixels = _shallow(path, pixels)
    except UnusableLabelMap:
        raise
    except Exception as error:  # decoders raise many types
        raise UnusableLabelMap(why_not_decoded(path, error)) from error
    if is_lossy:
        what = f'is a {kind} with loss' if kind != 'JPEG' else 'is a JPEG'
        raise UnusableLabelMap(
            f'{what}, which changes numbers: save label maps as PNG, from the original'
        )
    if pages > 1:
        raise UnusableLabelMap(f'has {pages} pages, where one belongs: write a file for each')
    size = pixels.shape[0], pixels.shape[1]
    values, lengths = _runs(pixels.view('<u4') if pixels.ndim == 3 else pixels)
    remarks: list[str] = []
    if pixels.ndim == 3:
        values, is_color = _of_channels(values, by_color, remarks, bands)
        if is_color:
            return RawMap(size, values, lengths, True, tuple(remarks))
    if np.issubdtype(values.dtype, np.floating):
        if not (np.isfinite(values).all() and (values == np.round(values)).all()):
            raise UnusableLabelMap('has fractions: save the number of each class')
        remarks.append('whole numbers stored as fractions')
    values = values.astype(np.int64)
    if values.min() < 0 or values.max() > HUGE:
        raise UnusableLabelMap(
            f'has values from {values.min()} to {values.max()}: numbers of classes are 0 to {HUGE}'
        )
    return RawMap(size, values, lengths, False, tuple(remarks), palette, mode == '1')


def _is_lossy(image: Image.Image, path: str | Path) -> bool:
    """Whether a WebP or TIFF is stored as a JPEG is."""
    if image.format == 'TIFF':
        return 'jpeg' in str(image.info.get('compression'))
    if image.format != 'WEBP':
        return False
    content = Path(path).read_bytes()
    start = 12
    while start + 8 <= len(content):  # chunks: four letters, a length, content of an even length
        if content[start : start + 4] == b'VP8 ':
            return True
        length = int.from_bytes(content[start + 4 : start + 8], 'little')
        start += 8 + length + length % 2
    return False


def _table(image: Image.Image) -> list[Color]:
    """The palette of an image."""
    parts = image.getpalette() or []
    return list(zip(parts[::3], parts[1::3], parts[2::3], strict=True))


def _check_colors(image: Image.Image) -> None:
    """Raise UnusableLabelMap if indices that occur share a colour, as where black fills up."""
    table = _table(image)
    first: dict[Color, int] = {}
    for index in np.flatnonzero(np.bincount(np.asarray(image).ravel())).tolist():
        color = table[index] if index < len(table) else (0, 0, 0)
        other = first.setdefault(color, index)
        if other != index:
            raise UnusableLabelMap(
                f'has the indices {other} and {index}, which its palette both shows as {color}: if '
                'they are numbers of classes, give --classes without colours; else give each of '
                'them a colour of its own'
            )


def _is_grey(image: Image.Image) -> bool:
    """Whether the palette of an image has nothing but grey."""
    return all(red == green == blue for red, green, blue in _table(image))


def _shallow(path: str | Path, pixels: np.ndarray) -> np.ndarray:
    """What an image of several channels of 16 bits holds, of which Pillow reads the upper 8.

    Args:
        path: of the image.
        pixels: ``(H, W, 4)`` uint8 that Pillow makes of it.

    Returns:
        ``(H, W)`` uint16 numbers if all channels are equal; else colours of 8 bits like ``pixels``.
    """
    content = np.frombuffer(Path(path).read_bytes(), np.uint8)
    values = cv2.imdecode(content, cv2.IMREAD_UNCHANGED)
    if values is None or values.ndim != 3 or values.dtype != np.uint16:
        raise UnusableLabelMap('has several channels of 16 bits: save one channel, or 8 bits')
    colors = values[:, :, :3]
    if (colors == colors[:, :, :1]).all() and (colors % 257).any():
        return np.ascontiguousarray(colors[:, :, 0])
    if not (colors % 257).any():  # 255 is 65535
        return pixels
    if colors.max() > 255:
        raise UnusableLabelMap('has colours of 16 bits: save 8 bits for each channel')
    return np.concatenate([colors[:, :, ::-1], pixels[:, :, 3:]], axis=2).astype(np.uint8)


def _runs(pixels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Values and lengths of runs of equal pixels, row by row."""
    flat = pixels.ravel()
    starts = np.flatnonzero(flat[1:] != flat[:-1]) + 1
    starts = np.concatenate([np.zeros(1, np.int64), starts])
    return flat[starts], np.diff(starts, append=len(flat))


def _of_channels(
    packed: np.ndarray, by_color: bool, remarks: list[str], bands: int
) -> tuple[np.ndarray, bool]:
    """Numbers or colours of runs ``(n,)``, and which of these.

    Args:
        packed: ``(n,)`` uint32, R, G, B and alpha from the lowest byte up.
        by_color: whether colours tell the classes.
        remarks: added to.
        bands: channels of the file.
    """
    colors = (packed & 0xFFFFFF).astype(np.int64)
    clear = packed >> 24 == 0
    if clear.any():
        colors[clear] = 0
        remarks.append('transparent pixels are taken for 0, black')
    if by_color:
        return colors, True
    red, green, blue = (colors >> shift & 255 for shift in (0, 8, 16))
    if not ((red == green) & (red == blue)).all():
        raise UnusableLabelMap(
            "is painted in colours: give --classes a file with a line 'R G B name' for each class"
        )
    if bands > 2:
        remarks.append('three equal channels are taken for one')
    return red, False


def read_contents(path: str | Path, *, by_color: bool) -> Contents:
    """Read a label map and count its values; see :func:`read_raw`."""
    raw = read_raw(path, by_color=by_color)
    values, group = np.unique(raw.values, return_inverse=True)
    counts = np.bincount(group, weights=raw.lengths).astype(np.int64)
    used = {value: raw.palette[value] for value in values.tolist() if value in raw.palette}
    return Contents(raw.size, values, counts, raw.is_color, raw.remarks, used, raw.is_bit)


def color_of(value: int) -> tuple[int, int, int]:
    """R, G and B of a colour in :attr:`RawMap.values`."""
    return value & 255, value >> 8 & 255, value >> 16
