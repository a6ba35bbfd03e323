"""Images whose values are labels."""

from pathlib import Path

import numpy as np
from PIL import Image

from ..image_header import open_image, pages_of
from .image_files import check_size

ONE_CHANNEL = ('1', 'L', 'P', 'I', 'I;16', 'I;16B', 'I;16L')  # modes of PIL


def load_mask(path: Path) -> Image.Image:
    """An image whose values are labels, decoded, whatever its size.

    Raises:
        ValueError: if it cannot be decoded, or has several pages.
    """
    try:
        with open_image(path) as image:
            pages = pages_of(image)
            if pages > 1:
                raise ValueError(f'{pages} pages, where one belongs: write a file for each mask')
            image.load()
            return image
    except Exception as error:  # decoders raise many types
        raise ValueError(f'{path} cannot be read as a mask: {error}') from error


def read_label_map(path: Path, image: dict) -> np.ndarray:
    """Read an image whose values are labels: 1, 8 or 16 bit, of a palette the indices.

    Args:
        path: of the file, usually PNG.
        image: record of the image that it belongs to.

    Returns:
        ``(H, W)`` bool, uint8, uint16 or int32, in column order, as pycocotools wants its masks.

    Raises:
        ValueError: if it cannot be read, has several channels or pages, or not the image's size.
    """
    label_map = load_mask(path)
    if label_map.mode not in ONE_CHANNEL:
        what = 'fractions' if label_map.mode == 'F' else f'colours ({label_map.mode})'
        raise ValueError(
            f'{path} cannot be read as a mask: {what} where one channel of labels belongs'
        )
    labels = np.asfortranarray(label_map)
    height, width = labels.shape
    check_size(path, width, height, image)
    return labels


def values_of(labels: np.ndarray) -> list[int]:
    """Values that occur in a label map, ascending."""
    if labels.dtype.itemsize > 2:  # some may be negative, or billions
        return np.unique(labels).tolist()
    return np.flatnonzero(np.bincount(labels.ravel('K'))).tolist()
