"""Pictures that our tools paint, marked as such: they are no photographs to learn from."""

from pathlib import Path

import numpy as np
from PIL import ExifTags, Image

SOFTWARE = 'mmpldc'  # in their EXIF


def save_picture(path: Path, pixels: np.ndarray) -> None:
    """Write a picture; its folder is made.

    Args:
        path: of a JPEG or PNG.
        pixels: ``(H, W, 3)`` uint8, RGB.
    """
    exif = Image.Exif()
    exif[ExifTags.Base.Software] = SOFTWARE
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path, quality=95, exif=exif)
