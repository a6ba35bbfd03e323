"""Files of a data set: which images there are, how large they load, and label maps."""

import warnings
from collections.abc import Sequence
from pathlib import Path, PurePosixPath

import numpy as np
from mmengine.utils import scandir
from PIL import ExifTags, Image
from torchvision.datasets.folder import IMG_EXTENSIONS

ONE_CHANNEL = ('1', 'L', 'P', 'I', 'I;16')  # modes of PIL


def find_images(root: Path) -> list[str]:
    """All images below a folder, by their suffix; hidden files and folders are left out.

    Returns:
        Names relative to ``root``, with ``/``, sorted.

    Raises:
        FileNotFoundError: if there is no such folder or no image in it.
    """
    if not root.is_dir():
        raise FileNotFoundError(f'{root} is not a folder')
    found = scandir(root, suffix=IMG_EXTENSIONS, recursive=True, case_sensitive=False)
    paths = (Path(name) for name in found)
    names = [p.as_posix() for p in paths if not any(part.startswith('.') for part in p.parts)]
    if not names:
        raise FileNotFoundError(f'no image ({" ".join(IMG_EXTENSIONS)}) below {root}')
    return sorted(names)


def without_suffix(names: Sequence[str]) -> dict[str, str]:
    """Each image's name by its name without the suffix, by which annotation files refer to it.

    Raises:
        ValueError: if two images differ in the suffix only.
    """
    images: dict[str, str] = {}
    for name in names:
        stem = str(PurePosixPath(name).with_suffix(''))
        if stem in images:
            raise ValueError(
                f'{images[stem]} and {name} share their annotation file: rename one of them'
            )
        images[stem] = name
    return images


def image_size(path: Path) -> tuple[int, int]:
    """Width and height with which mmcv loads an image, read from its header.

    mmcv, by OpenCV, turns an image as its EXIF orientation says.

    Raises:
        ValueError: if the file is missing or not an image.

    Note:
        Pixels are not decoded: a truncated file passes, and the orientation of a PNG that has it
        after its pixels is not seen.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter('ignore')  # PIL's, of broken EXIF and of many pixels
            with Image.open(path) as image:
                width, height = image.size
                # not getexif(): it decodes a PNG, and reads XMP too, which OpenCV does not
                turned = _orientation(image.info.get('exif', b'')) >= 5
    except (OSError, ValueError, Image.DecompressionBombError) as error:
        raise ValueError(f'{path} cannot be read as an image: {error}') from error
    return (height, width) if turned else (width, height)


def _orientation(content: bytes) -> int:
    """EXIF orientation, 1 to 8; those from 5 on swap the sides."""
    exif = Image.Exif()
    try:
        exif.load(content)
    except Exception:  # broken EXIF, which PIL raises anything for and OpenCV ignores
        return 1
    orientation = exif.get(ExifTags.Base.Orientation, 1)
    return orientation if orientation in range(1, 9) else 1


def image_record(root: Path, name: str) -> dict:
    """An image as COCO describes it, without the id.

    Raises:
        ValueError: see :func:`image_size`.
    """
    width, height = image_size(root / name)
    return dict(file_name=name, width=width, height=height)


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


def check_size(path: Path, width: int, height: int, image: dict) -> None:
    """Raise ValueError if what ``path`` annotates has not the size of its image."""
    if (width, height) != (image['width'], image['height']):
        raise ValueError(
            f'{path} is for {width} x {height} pixels, but its image {image["file_name"]} loads '
            f'with {image["width"]} x {image["height"]} (width x height, turned as EXIF says)'
        )


def values_of(labels: np.ndarray) -> list[int]:
    """Values that occur in a label map, ascending."""
    return np.flatnonzero(np.bincount(labels.ravel('K'))).tolist()
