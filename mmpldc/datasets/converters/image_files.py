"""Images of a data set: which there are, and how large they load."""

import os
import warnings
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from torchvision.datasets.folder import IMG_EXTENSIONS

from ..folders import files_below, suffix_of
from ..image_header import read_header

IMAGE_SUFFIXES = (*IMG_EXTENSIONS, '.jfif', '.jpe', '.jp2')
# Of cameras and editors: OpenCV, and so the training, reads none of these, or the first frame only.
OTHER_SUFFIXES = frozenset(
    [
        '.3fr',
        '.arw',
        '.avif',
        '.bpg',
        '.cr2',
        '.cr3',
        '.dcm',
        '.dng',
        '.exr',
        '.gif',
        '.heic',
        '.heics',
        '.heif',
        '.jxl',
        '.jxr',
        '.mpo',
        '.nef',
        '.nrw',
        '.orf',
        '.pef',
        '.psd',
        '.raf',
        '.rw2',
        '.rwl',
        '.srw',
        '.svg',
        '.tga',
        '.x3f',
    ]
)


def find_images(root: Path, *, also: Sequence[str] = ()) -> list[str]:
    """All images below a folder, by their suffix.

    Hidden files and folders, and those of file servers and recycle bins, are left out. Images of
    formats that training cannot read are left out with a warning that counts them.

    Args:
        root: the folder.
        also: further suffixes that count, in small letters.

    Returns:
        Names relative to ``root``, with ``/``, sorted.

    Raises:
        FileNotFoundError: if there is no such folder or no image in it.
    """
    if not root.is_dir():
        raise FileNotFoundError(f'{root} is not a folder')
    files = list(files_below(root))
    names = [name for name in files if suffix_of(name) in (*IMAGE_SUFFIXES, *also)]
    left_out = OTHER_SUFFIXES.difference(also)
    others = Counter(suffix_of(name) for name in files if suffix_of(name) in left_out)
    counts = ', '.join(f'{count} {suffix}' for suffix, count in sorted(others.items()))
    if not names:
        found = (
            f', only {counts}: convert photos to JPEG or PNG, label maps to PNG' if others else ''
        )
        raise FileNotFoundError(f'no image ({" ".join(IMAGE_SUFFIXES)}) below {root}{found}')
    if others:
        example = next(name for name in sorted(files) if suffix_of(name) in left_out)
        warnings.warn(
            f'files of other image formats are left out: {counts}, such as {example}: to use '
            'them, convert photos to JPEG or PNG, label maps to PNG',
            stacklevel=1,  # however often a folder is looked at, it is said once
        )
    return sorted(names)


def real_paths(root: Path, names: Sequence[str]) -> dict[str, str]:
    """Paths of files below a folder, all links resolved; each folder is looked up once.

    Args:
        root: the folder.
        names: relative to it, as :func:`find_images` returns them.
    """
    folders: dict[str, str] = {}
    paths = {}
    for name in names:
        inside, _, base = name.rpartition('/')
        if inside not in folders:
            folders[inside] = real_path(root / inside)
        path = os.path.join(folders[inside], base)
        paths[name] = os.path.realpath(path) if os.path.islink(path) else path
    return paths


def real_path(path: str | Path) -> str:
    """A path with all links resolved; as it is if no file can have it."""
    try:
        return os.path.realpath(path)
    except ValueError:  # of a zero byte, or half a character
        return str(path)


def image_size(path: Path) -> tuple[int, int]:
    """Width and height with which mmcv loads an image, read from its header.

    Raises:
        ValueError: see :func:`~mmpldc.datasets.image_header.read_header`.
    """
    header = read_header(path)
    return header.width, header.height


def image_record(root: Path, name: str) -> dict:
    """An image as COCO describes it, without the id.

    Raises:
        ValueError: see :func:`image_size`.
    """
    width, height = image_size(root / name)
    return dict(file_name=name, width=width, height=height)


def check_size(path: Path, width: object, height: object, image: dict) -> None:
    """Raise ValueError if what ``path`` annotates has not the size of its image."""
    if (width, height) != (image['width'], image['height']):
        raise ValueError(
            f'{path} is for {width} x {height} pixels, but its image {image["file_name"]} loads '
            f'with {image["width"]} x {image["height"]} (width x height, turned as EXIF says)'
        )
