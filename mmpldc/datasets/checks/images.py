"""Images on disk: are they there, can they be read, have they the annotated size?"""

import io
import os
import unicodedata
import warnings
from collections import defaultdict
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import PurePath

import cv2
import mmcv
import numpy as np
from PIL import ExifTags, Image, UnidentifiedImageError

from .findings import Finding, Level, some

MAX_FOLDERS = 200  # that are searched for a missing image


class Folders:
    """Listings of folders, each read once."""

    def __init__(self) -> None:
        self._listings: dict[str, dict[str, os.DirEntry]] = {}

    def listing(self, folder: str) -> dict[str, os.DirEntry]:
        """Entries of a folder by name; empty if there is no such folder."""
        if folder not in self._listings:
            try:
                with os.scandir(folder or '.') as entries:
                    self._listings[folder] = {entry.name: entry for entry in entries}
            except OSError:
                self._listings[folder] = {}
        return self._listings[folder]


def find_images(
    file_names: Sequence[str | None], prefix: str, *, file: str, folders: Folders
) -> tuple[list[str | None], list[Finding]]:
    """Look up images.

    Args:
        file_names: N paths below ``prefix``; None is passed over.
        prefix: their folder, ``data_prefix.img`` with ``data_root``.
        file: annotation file, which findings name.
        folders: listings, shared by sets.

    Returns:
        N paths without symbolic links, None for images that are not there, and findings.
    """
    real_folders: dict[str, str] = {}
    paths: list[str | None] = []
    missing, directories = [], []
    for name in file_names:
        path = None
        if name:
            folder, base = os.path.split(os.path.join(prefix, name))
            entry = folders.listing(folder).get(base)
            if base in ('', '.', '..'):
                directories.append(name)
            elif entry is None or (entry.is_symlink() and not os.path.exists(entry.path)):
                missing.append(name)
            elif entry.is_dir():
                directories.append(name)
            elif entry.is_symlink():
                path = os.path.realpath(entry.path)
            else:
                if folder not in real_folders:
                    real_folders[folder] = os.path.realpath(folder)
                path = os.path.join(real_folders[folder], base)
        paths.append(path)
    findings = []
    if missing:
        what = (
            f'{len(missing)} of {len(file_names)} images are not on disk, for example '
            f'{os.path.join(prefix, missing[0])}: '
            + _advice(missing, prefix, folders, are_all=not any(paths))
        )
        findings.append(Finding('error', file, 'images: file_name', what))
    if directories:
        where = f'{some("image", directories)}: file_name'
        findings.append(Finding('error', file, where, 'is a folder: write the path of the image'))
    return paths, findings


def _advice(missing: list[str], prefix: str, folders: Folders, *, are_all: bool) -> str:
    """Where the first missing image may be, and what to change then.

    Args:
        missing: names of all missing images.
        prefix: folder that has been searched.
        folders: its listing and others.
        are_all: whether no image was found: then the folder may be wrong.
    """
    name = missing[0]
    if '\\' in name:
        return 'file_name has backslashes; write slashes'
    folder, base = os.path.split(os.path.join(prefix, name))
    for kind, key in (('case', _folded), ('suffix', lambda text: PurePath(_folded(text)).stem)):
        for other in folders.listing(folder):
            is_image = PurePath(other).suffix.lower() in Image.registered_extensions()
            if is_image and key(other) == key(base):
                return f"there is '{other}', of another {kind}; correct file_name"
    if not are_all:
        return 'complete the images, or delete their records from the annotation file'
    tried = missing[:: 1 + len(missing) // 20]
    for candidate in _other_prefixes(prefix):
        if all(os.path.isfile(os.path.join(candidate, other)) for other in tried):
            return (
                f'there are such files in {candidate}; correct data_prefix.img if these are meant'
            )
    if not os.path.isdir(prefix or '.'):
        return f'there is no folder {prefix}; correct data_prefix.img or data_root'
    if name != base and os.path.isfile(os.path.join(prefix, base)):
        return f"'{base}' is in data_prefix.img itself; remove the folder from file_name"
    return 'correct data_prefix.img, data_root or file_name'


def _folded(text: str) -> str:
    return unicodedata.normalize('NFC', text).casefold()


def _other_prefixes(prefix: str) -> list[str]:
    """Folders around a prefix: the one above it, and those beside and below it."""
    prefix = os.path.normpath(prefix)
    above = os.path.dirname(prefix)
    found = [above]
    for folder in (prefix, above):
        try:
            with os.scandir(folder or '.') as entries:
                found += sorted(entry.path for entry in entries if entry.is_dir())
        except OSError:
            continue
    return found[:MAX_FOLDERS]


# ---------------------------------------------------------------- content


TURNED = (
    'the EXIF orientation turns the image when it is loaded, but the annotated width and height '
    '(and masks) are those before: annotate the turned image, or store it turned and without EXIF'
)
ANOTHER_SIZE = 'another size than annotated: correct width and height, or take the right image'


class UnreadableImage(Exception):
    """An image that training could not load; the message says why and what to do."""


def read_size(path: str) -> tuple[tuple[int, int], bool]:
    """Decode an image as training does.

    Returns:
        Height and width, and whether its EXIF orientation swaps them (mmcv turns the image).

    Raises:
        UnreadableImage: if it cannot be decoded, or only in part.
    """
    try:
        with open(path, 'rb') as file:
            content = file.read()
    except OSError as error:
        raise UnreadableImage(f'cannot be read ({error.strerror})') from None
    except ValueError as error:  # of a name that no file can have
        raise UnreadableImage(f'cannot be read ({error})') from None
    if not content:
        raise UnreadableImage('is empty (0 bytes): copy or download it again')
    if content[:256].lstrip().lower().startswith((b'<!doctype html', b'<html')):
        raise UnreadableImage('is a web page, not an image: download it again')
    turned = False
    try:
        with warnings.catch_warnings():
            warnings.simplefilter('ignore')
            with Image.open(io.BytesIO(content)) as image:
                turned = image.getexif().get(ExifTags.Base.Orientation, 1) in (5, 6, 7, 8)
                image.load()  # OpenCV before 4.12 fills what is cut off with grey, Pillow objects
    except (UnidentifiedImageError, Image.DecompressionBombError):
        pass  # OpenCV may know the format, and has another limit
    except Exception as error:  # decoders raise many types
        raise UnreadableImage('is cut off or damaged: copy or download it again') from error
    try:
        pixels = mmcv.imfrombytes(content, backend='cv2')
    except cv2.error:
        pixels = None
    if pixels is None:
        raise UnreadableImage('is no image that OpenCV can decode: convert it to PNG or JPEG')
    return pixels.shape[:2], turned


def describe_sizes(annotated: tuple[int, int], read: tuple[int, int]) -> str:
    """Two sizes, each height and width, in words."""
    return f'{annotated[1]} x {annotated[0]} annotated, {read[1]} x {read[0]} read'


def check_content(
    paths: Sequence[str | None],
    sizes: np.ndarray,
    *,
    file: str,
    limit: int | None,
    is_unlabeled: bool = False,
) -> list[Finding]:
    """Decode images and compare their sizes with the annotated ones.

    Args:
        paths: N images; None is passed over.
        sizes: ``(N, 2)`` annotated height and width; 0 is not compared.
        file: annotation file, which findings name.
        limit: number of images, spread evenly over the set; None for all.
        is_unlabeled: a wrong size is a warning then, as no mask relies on it.

    Returns:
        One finding for each kind of fault.
    """
    rows = np.array([row for row, path in enumerate(paths) if path is not None], np.int64)
    if limit is not None and limit < len(rows):
        rows = rows[np.linspace(0, len(rows) - 1, limit).astype(np.int64)]
    faults: dict[tuple[Level, str], list[str]] = defaultdict(list)
    example: dict[tuple[Level, str], str] = {}
    level: Level = 'warning' if is_unlabeled else 'error'
    for row, outcome in zip(
        rows, in_threads(_size_or_fault, [paths[r] for r in rows]), strict=True
    ):
        path = paths[row]
        if isinstance(outcome, UnreadableImage):
            faults['error', str(outcome)].append(path)
            continue
        (height, width), turned = outcome
        annotated = tuple(sizes[row].tolist())
        if not all(annotated) or annotated == (height, width):
            continue
        fault = TURNED if turned and annotated == (width, height) else ANOTHER_SIZE
        key = (level, fault)
        faults[key].append(path)
        example.setdefault(key, f' ({describe_sizes(annotated, (height, width))})')
    return [
        Finding(level, file, some('image', names), fault + example.get((level, fault), ''))
        for (level, fault), names in faults.items()
    ]


def _size_or_fault(path: str) -> tuple[tuple[int, int], bool] | UnreadableImage:
    try:
        return read_size(path)
    except UnreadableImage as error:
        return error


def in_threads(work: Callable, items: Sequence) -> list:
    """``work`` on each item; reading and decoding leave Python's lock."""
    with ThreadPoolExecutor(min(32, 4 * len(os.sched_getaffinity(0)))) as pool:
        return list(pool.map(work, items))
