"""Images whose values are labels."""

from pathlib import Path

import numpy as np
from PIL import Image

from .image_files import check_size

ONE_CHANNEL = ('1', 'L', 'P', 'I', 'I;16')  # modes of PIL


def read_label_map(path: Path, image: dict) -> np.ndarray:
    """Read an image whose values are labels: 1, 8 or 16 bit, of a palette the indices.

    Args:
        path: of the file, usually PNG.
        image: record of the image that it belongs to.

    Returns:
        ``(H, W)`` bool, uint8, uint16 or int32, in column order, as pycocotools wants its masks.

    Raises:
        ValueError: if it cannot be read, has several channels, or not the image's size.
    """
    try:
        with Image.open(path) as label_map:
            if label_map.mode not in ONE_CHANNEL:
                raise ValueError(f'colours ({label_map.mode}) where one channel of labels belongs')
            labels = np.asfortranarray(label_map)
    except (OSError, ValueError) as error:
        raise ValueError(f'{path} cannot be read as a mask: {error}') from error
    height, width = labels.shape
    check_size(path, width, height, image)
    return labels


def values_of(labels: np.ndarray) -> list[int]:
    """Values that occur in a label map, ascending."""
    return np.flatnonzero(np.bincount(labels.ravel('K'))).tolist()
