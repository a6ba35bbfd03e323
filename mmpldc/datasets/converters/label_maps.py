"""Images whose values are labels."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
from PIL import Image

from ..image_header import fault_of_orientation, open_image, pages_of
from .image_files import check_size

ONE_CHANNEL = ('1', 'L', 'P', 'I', 'I;16', 'I;16B', 'I;16L')  # modes of PIL


def load_mask(path: Path) -> Image.Image:
    """An image whose values are labels, decoded, whatever its size.

    Raises:
        ValueError: if it cannot be decoded, has several pages, or an orientation.
    """
    try:
        with open_image(path) as image:
            pages = pages_of(image)
            if pages > 1:
                raise ValueError(f'{pages} pages, where one belongs: write a file for each mask')
            if fault := fault_of_orientation(image):
                raise ValueError(f'it {fault}')
            image.load()
            return image
    except Exception as error:  # decoders raise many types
        raise ValueError(f'{path} cannot be read as a mask: {error}') from error


def read_label_map(
    path: Path, image: dict, is_label: Callable[[int], bool] | None = None
) -> np.ndarray:
    """Read an image whose values are labels: 1, 8 or 16 bit, of a palette the indices.

    Args:
        path: of the file, usually PNG; a TIFF may have whole numbers as floats.
        image: record of the image that it belongs to.
        is_label: whether a value means something. If all colours of a palette are grey, and all
            levels mean something, these are the labels: a program that reduces colours orders them
            as it likes. None: the indices are.

    Returns:
        ``(H, W)`` bool, uint8, uint16 or int32, in column order, as pycocotools wants its masks.

    Raises:
        ValueError: if it cannot be read, has several channels or pages, not the image's size, or
            a palette whose black is not the first colour, though that occurs.
    """
    label_map = load_mask(path)
    values = _whole(np.asarray(label_map))
    if label_map.mode not in (*ONE_CHANNEL, 'F') or values is None:
        what = 'fractions' if label_map.mode == 'F' else f'colours ({label_map.mode})'
        raise ValueError(
            f'{path} cannot be read as a mask: {what} where one channel of labels belongs: save '
            'the labels as a grey or a palette image'
        )
    if label_map.mode == 'P' and is_label is not None:
        values = _of_palette(path, label_map, is_label)
    return _of_size(path, values, image)


def _whole(values: np.ndarray) -> np.ndarray | None:
    """Numbers as they are; floats, as ImageJ writes them, as int32 if all are whole, else None."""
    if values.dtype.kind != 'f':
        return values
    is_whole = np.isfinite(values).all() and (values == np.round(values)).all()
    return values.astype(np.int32) if is_whole and np.abs(values).max() < 2**31 else None


def _of_palette(path: Path, picture: Image.Image, is_label: Callable[[int], bool]) -> np.ndarray:
    """``(H, W)`` uint8, indices of a palette or its grey levels."""
    indices = np.asarray(picture)
    table = np.reshape(picture.getpalette('RGB') or [], (-1, 3))
    found = [index for index in values_of(indices) if index < len(table)]
    levels = set(table[found, 0].tolist())
    is_grey = bool((table == table[:, :1]).all() and table.any())
    if is_grey and len(levels) == len(found) and all(map(is_label, levels)):
        return np.asarray(picture.convert('L'))
    black = [index for index in found if is_label(index) and not table[index].any()]
    if 0 in found and 0 not in black and black:
        raise ValueError(
            f'{path}: index {black[0]} of its palette is black, 0 is not: a program chose the '
            'order of its colours: save the labels as a grey image'
        )
    return indices


def read_binary_mask(path: Path, image: dict) -> np.ndarray:
    """Read the mask of one object: not 0, or not black, where it is.

    Args:
        path: of the file, usually PNG: of one channel, a palette, or black and white with more
            channels. If one of two colours of a palette is black, that is where no object is.
        image: record of the image that it belongs to.

    Returns:
        ``(H, W)`` bool, in column order, as pycocotools wants its masks.

    Raises:
        ValueError: as :func:`read_label_map`; if it has colours, more than two values, two values
            of which none is 0, or transparency of another shape.
    """
    label_map = load_mask(path)
    if label_map.mode not in ONE_CHANNEL:
        values = _grey(path, label_map)
    elif label_map.mode == 'P':
        values = _with_black_as_zero(label_map)
    else:
        values = np.asarray(label_map)
    _check_transparency(path, label_map, values)
    values = _of_size(path, values, image)
    found = values_of(values)
    if len(found) > 2:
        raise ValueError(f'{path} has more than two values: a mask has 0 and another one')
    if len(found) == 2 and 0 not in found:
        raise ValueError(
            f'{path} has the values {found[0]} and {found[1]}: which of them is the object is not '
            'known: write 0 where it is not'
        )
    return values != 0


def _of_size(path: Path, labels: np.ndarray, image: dict) -> np.ndarray:
    labels = np.asfortranarray(labels)
    height, width = labels.shape
    check_size(path, width, height, image)
    return labels


def _grey(path: Path, picture: Image.Image) -> np.ndarray:
    """``(H, W)`` uint8 of black and white that was saved with several channels."""
    fault = f'{path} cannot be read as a mask: colours ({picture.mode}) where one channel belongs'
    if picture.mode not in ('RGB', 'RGBA', 'LA'):
        raise ValueError(f'{fault}: save it in black and white')
    channels = np.asarray(picture)
    colors = channels[..., :-1] if picture.mode in ('RGBA', 'LA') else channels
    grey = colors[..., 0]
    if (colors != grey[..., None]).any() or grey.min() not in (0, 255):
        raise ValueError(f'{fault}: save it in black and white')
    return grey


def _check_transparency(path: Path, picture: Image.Image, values: np.ndarray) -> None:
    """Raise ValueError if a picture is transparent elsewhere than where its values are 0."""
    if picture.mode in ('1', 'L', 'P', 'RGB') and 'transparency' in picture.info:
        picture = picture.convert('RGBA')
    if picture.mode not in ('LA', 'RGBA'):
        return
    opaque = np.asarray(picture)[..., -1]
    if opaque.min() < opaque.max() and ((opaque > 0) != (values > 0)).any():
        raise ValueError(
            f'{path}: transparency and colour show different shapes: save it in black and white'
        )


def _with_black_as_zero(picture: Image.Image) -> np.ndarray:
    """``(H, W)`` uint8 indices of a palette; the black one of one or two that occur becomes 0.

    Programs that reduce an image's colours number them as they like.
    """
    indices = np.asarray(picture)
    found = values_of(indices)
    table = np.reshape(picture.getpalette('RGB') or [], (-1, 3))
    colors = [tuple(table[index].tolist()) if index < len(table) else None for index in found]
    black = [index for index, color in zip(found, colors, strict=True) if color == (0, 0, 0)]
    if len(found) == 2 and len(black) == 1:
        return (indices != black[0]).astype(np.uint8)
    if colors == [(255, 255, 255)]:
        return np.ones_like(indices)
    if colors == [(0, 0, 0)] and table[0].any():  # else black is 0, or the palette tells nothing
        return np.zeros_like(indices)
    return indices


def values_of(labels: np.ndarray) -> list[int]:
    """Values that occur in a label map, ascending."""
    if labels.dtype.itemsize > 2:  # some may be negative, or billions
        return np.unique(labels).tolist()
    return np.flatnonzero(np.bincount(labels.ravel('K'))).tolist()
