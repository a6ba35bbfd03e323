"""Small files in the formats that the converters read."""

import zlib

import numpy as np
import pytest
from PIL import Image
from pycocotools import mask as mask_utils


@pytest.fixture
def write_image():
    """Write an RGB image and make its folder; ``options`` are those of PIL's ``save``.

    Each path has a colour of its own: equal files are copies.
    """

    def write_image(path, width=8, height=6, **options):
        path.parent.mkdir(parents=True, exist_ok=True)
        color = zlib.crc32(str(path).encode()).to_bytes(4, 'big')[:3]
        Image.new('RGB', (width, height), tuple(color)).save(path, **options)

    return write_image


@pytest.fixture
def write_labels():
    """Write an array as a PNG of one channel and make its folder."""

    def write_labels(path, labels):
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.asarray(labels)).save(path)

    return write_labels


@pytest.fixture
def mask_of():
    """``(H, W)`` bool, the mask of an annotation that is stored as RLE."""
    return lambda annotation: mask_utils.decode(annotation['segmentation']).astype(bool)
