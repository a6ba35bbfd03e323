"""Label maps: single-channel images whose pixel values are classes, 255 where there is no label."""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image

from .image_header import fault_of_orientation, why_not_decoded

IGNORE = 255
NUM_VALUES = 256


class UnusableLabelMap(ValueError):
    """A label map that cannot be used; the message says why and what to do."""


class LabelMap(NamedTuple):
    """What a file holds.

    Attributes:
        values: ``(H, W)`` uint8.
        palette: ``(n, 3)`` uint8 RGB that the file paints values 0 to n - 1 with; None without.
    """

    values: np.ndarray
    palette: np.ndarray | None


def read_label_map(path: str | Path) -> LabelMap:
    """Read a label map.

    Args:
        path: of an image that Pillow reads, in practice a PNG: 8 bits grey or with a palette, or
            16 bits with values below 256.

    Raises:
        UnusableLabelMap: if it is missing, cannot be decoded, or is no map of numbers.
    """
    try:
        with Image.open(path) as image:
            if fault := fault_of_orientation(image):
                raise UnusableLabelMap(fault)
            image.load()
            mode, palette = image.mode, image.getpalette()
            values = np.array(image)
    except UnusableLabelMap:
        raise
    except FileNotFoundError:
        raise UnusableLabelMap('is not on disk') from None
    except Exception as error:  # decoders raise many types
        raise UnusableLabelMap(why_not_decoded(path, error)) from error
    if image.format == 'JPEG':
        raise UnusableLabelMap(
            'is a JPEG, which changes numbers: save label maps as PNG, from the original'
        )
    if values.ndim == 3:
        raise UnusableLabelMap(
            f'has {values.shape[2]} channels: a label map has one, the number of the class of each '
            'pixel; convert colours to numbers'
        )
    if mode == '1':
        values = values.astype(np.uint8)
    if not np.issubdtype(values.dtype, np.integer) or values.min() < 0 or values.max() > IGNORE:
        raise UnusableLabelMap(
            f'has values from {values.min()} to {values.max()}: the number of a class is at most '
            '254, and 255 means no label'
        )
    colors = None
    if mode == 'P' and palette:
        colors = np.array(palette, np.uint8)[: len(palette) // 3 * 3].reshape(-1, 3)
    return LabelMap(values.astype(np.uint8), colors)


def count_values(values: np.ndarray) -> np.ndarray:
    """Pixels of each value, ``(256,)`` int64."""
    return np.bincount(values.ravel(), minlength=NUM_VALUES)


def describe_values(values: Sequence[int], num_classes: int) -> str:
    """What is wrong with values that are no classes, and what to do.

    Args:
        values: at least one, each from C to 254.
        num_classes: C.
    """
    named = ', '.join(map(str, values[:5])) + (', ...' if len(values) > 5 else '')
    hint = 'correct the map, or set num_classes'
    if list(values) == [num_classes]:
        hint = (
            'are its classes numbered from 1? Then let the data set count from 0 '
            '(reduce_zero_label=True), or give the background a class'
        )
    return (
        f'has the values {named}, but the {num_classes} classes are 0 to {num_classes - 1}, '
        f'and 255 means no label: {hint}'
    )


def write_label_map(path: Path, values: np.ndarray, palette: Sequence[Sequence[int]]) -> None:
    """Write a label map as PNG with a palette, so that viewers show classes in colours.

    Args:
        path: of the file.
        values: ``(H, W)`` uint8.
        palette: RGB of classes 0, 1, ...; 255 becomes white.
    """
    colors = np.zeros((NUM_VALUES, 3), np.uint8)  # of all: Pillow saves few colours in few bits
    colors[: len(palette)] = palette
    colors[IGNORE] = 255
    image = Image.fromarray(values)
    image.putpalette(colors.tobytes())
    image.save(path, 'PNG')


def renumbering(info: dict) -> np.ndarray:
    """What mmsegmentation's data sets make of the values in a file.

    Args:
        info: of an image, with ``reduce_zero_label`` (0 becomes 255, and all others one less) and
            ``label_map`` (class -> class, of a config that names some of the classes); each may be
            missing.

    Returns:
        ``(256,)`` uint8, value in the file -> class.
    """
    table: np.ndarray = np.arange(NUM_VALUES, dtype=np.uint8)
    if info.get('reduce_zero_label'):
        table = np.where(table == IGNORE, IGNORE, table - 1).astype(np.uint8)  # 0 wraps to 255
    renamed = table.copy()
    for old, new in (info.get('label_map') or {}).items():
        renamed[table == old] = new
    return renamed
