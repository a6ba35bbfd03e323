"""Images of a data set: which there are, and how large they load."""

import os
import warnings
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

from mmpldc.utils.threads import in_threads

from ..folders import files_below, suffix_of
from ..image_header import read_header

# Those of torchvision's folders, and more that OpenCV and Pillow read.
IMAGE_SUFFIXES = (
    *('.jpg', '.jpeg', '.png', '.ppm', '.bmp', '.pgm', '.tif', '.tiff', '.webp'),
    *('.jfif', '.jpe', '.jp2', '.j2k', '.pbm', '.pnm'),
)
# Of cameras and editors: OpenCV, and so the training, reads none of these, or the first frame only;
# or Pillow, and so the checks, does not.
OTHER_SUFFIXES = frozenset(
    [
        '.3fr',
        '.arw',
        '.avif',
        '.bpg',
        '.cr2',
        '.cr3',
        '.dcm',
        '.dib',
        '.dng',
        '.exr',
        '.gif',
        '.hdr',
        '.heic',
        '.heics',
        '.heif',
        '.ico',
        '.iiq',
        '.j2c',
        '.jpc',
        '.jxl',
        '.jxr',
        '.mpo',
        '.nef',
        '.nrw',
        '.orf',
        '.pcx',
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
# Files that may lie beside images in large numbers, and that nobody takes for one.
NO_IMAGES = {
    *('.avi', '.csv', '.db', '.h5', '.html', '.ini', '.json', '.jsonl', '.log', '.md', '.mov'),
    *('.mp4', '.npy', '.npz', '.parquet', '.pdf', '.pkl', '.pt', '.pth', '.py', '.tar', '.txt'),
    *('.xml', '.yaml', '.yml', '.zip'),
}
# Of JPEG, PNG, TIFF and JPEG 2000.
BEGINNINGS = (
    b'\xff\xd8\xff',
    b'\x89PNG\r\n\x1a\n',
    b'II*\0',
    b'MM\0*',
    b'\0\0\0\x0cjP  ',
)
MOST_OPENED = 2_000


def find_images(root: Path, *, also: Sequence[str] = ()) -> list[str]:
    """All images below a folder, by their suffix.

    Hidden files and folders, and those of file servers and recycle bins, are left out. Images of
    formats that training cannot read, and those without a suffix or with one that is none, are left
    out with a warning that counts them.

    Args:
        root: the folder.
        also: further suffixes that count, in small letters.

    Returns:
        Names relative to ``root``, with ``/``, sorted.

    Raises:
        FileNotFoundError: if there is no such folder or no image in it.
    """
    if not root.exists():
        raise FileNotFoundError(f'{root} is not a folder')
    files = sorted(files_below(root))
    names = [name for name in files if suffix_of(name) in (*IMAGE_SUFFIXES, *also)]
    left_out = OTHER_SUFFIXES.difference(also)
    others = [name for name in files if suffix_of(name) in left_out]
    misnamed = _misnamed(root, files)
    counts = Counter(map(suffix_of, others))
    listed = ', '.join(f'{count} {suffix}' for suffix, count in sorted(counts.items()))
    odd = f'{len(misnamed)}, such as {misnamed[0]!r}' if misnamed else ''
    if not names:
        found = (
            f', only {listed}: convert photos to JPEG or PNG, label maps to PNG' if others else ''
        )
        found += f', only images without a suffix such as .jpg ({odd}): rename them' if odd else ''
        raise FileNotFoundError(f'no image ({" ".join(IMAGE_SUFFIXES)}) below {root}{found}')
    if others:
        warnings.warn(
            f'files of other image formats are left out: {listed}, such as {others[0]}: to use '
            'them, convert photos to JPEG or PNG, label maps to PNG',
            stacklevel=1,  # however often a folder is looked at, it is said once
        )
    if odd:
        warnings.warn(
            f'{root}: images whose names do not end in a suffix such as .jpg are left out: {odd}: '
            'to use them, rename them',
            stacklevel=1,
        )
    return names


def find_images_beside(images: Path, masks: Path) -> list[str]:
    """Images below a folder, without the masks that lie in a folder among them.

    Raises:
        FileNotFoundError: see :func:`find_images`; or if there is nothing but the masks.
    """
    inside = masks.resolve()
    names = [
        name for name in find_images(images) if inside not in (images / name).resolve().parents
    ]
    if not names:
        raise FileNotFoundError(f'no image below {images} but what is in {masks}')
    return names


def _misnamed(root: Path, files: Sequence[str]) -> list[str]:
    """Images among files of unknown suffixes, by their first bytes; at most 2,000 are opened."""
    known = {*IMAGE_SUFFIXES, *OTHER_SUFFIXES, *NO_IMAGES}
    unknown = [name for name in files if suffix_of(name) not in known]
    unknown = unknown[:: 1 + len(unknown) // MOST_OPENED]
    return [name for name in unknown if _begins_as_image(root / name)]


def _begins_as_image(path: Path) -> bool:
    try:
        with open(path, 'rb', buffering=0) as file:
            start = file.read(12)
    except OSError:
        return False
    is_bmp = start[:2] == b'BM' and start[6:10] == bytes(4)
    is_webp = start[:4] == b'RIFF' and start[8:] == b'WEBP'
    return is_bmp or is_webp or start.startswith(BEGINNINGS)


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


def one_name_each(paths: Mapping[str, str]) -> dict[str, str]:
    """Names and paths of :func:`real_paths` without further names, by links, of one file."""
    names: dict[str, str] = {}
    for name, path in paths.items():
        other = names.setdefault(path, name)
        if os.path.basename(path) == os.path.basename(name) != os.path.basename(other):
            names[path] = name
    chosen = set(names.values())
    return {name: path for name, path in paths.items() if name in chosen}


def without_hard_links(paths: Mapping[str, str]) -> dict[str, str]:
    """Names and paths of :func:`real_paths` without further names of one file by hard links."""
    first: dict[tuple[int, int], str] = {}
    files = in_threads(_shared_file, list(paths.values()), keeps_lock=True)
    return {
        name: path
        for (name, path), file in zip(paths.items(), files, strict=True)
        if file is None or first.setdefault(file, name) == name
    }


def _shared_file(path: str) -> tuple[int, int] | None:
    """What tells a file of several names from others; None if it has one, or is not there."""
    try:
        status = os.stat(path)
    except (OSError, ValueError):
        return None
    return (status.st_dev, status.st_ino) if status.st_nlink > 1 and status.st_ino else None


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
