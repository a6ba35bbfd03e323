"""Images of a user's file: names, sizes and ids put right."""

import os
from collections.abc import Hashable
from pathlib import Path
from typing import Any

from ..checks.findings import Finding
from ..checks.records import Names, Records
from ..converters.image_files import image_size, real_paths
from ..converters.photos import find_photos
from ..image_header import read_header
from .values import is_id, number, number_anew, read_whole_numbers

NAMES = ('filename', 'path', 'name', 'coco_url', 'url')  # of images, instead of file_name
TURNED = (
    'missing, and the EXIF orientation turns the photo by 90 degrees when it is loaded: whether it '
    'was annotated like that is not known; look at the pictures of tools/dataset/check.py --out-dir'
)


def repair_images(
    coco: dict, file: str, names: Names, folder: Path | None
) -> tuple[dict[Hashable, int], list[Finding]]:
    """Correct names, read sizes and ids as what they stand for, merge repeated images, in place.

    Args:
        coco: content of the file.
        file: its path.
        names: of records, kept where an id changes.
        folder: of the photos; None leaves names and missing sizes as they are.

    Returns:
        The new id of each image whose id was changed, by the old one as
        :func:`~mmpldc.datasets.labels.values.whole_number` reads it, and findings.
    """
    images = Records(coco['images'], 'image', file, names)
    _read_names(images)
    if folder is not None:
        _correct_names(images, folder)
    _read_sizes(images, folder)
    read_whole_numbers(images, 'id')
    moved = _merge(images, folder)
    numbered = number_anew(images)
    moved = {old: numbered.get(new, new) for old, new in moved.items()} | numbered
    return moved, images.findings


def _read_names(images: Records) -> None:
    """Read names that are numbers, and missing ones from the fields that other tools give them."""
    numbers: list[int] = []
    rows_by_field: dict[str, list[int]] = {}
    for row, image in enumerate(images.records):
        name = image.get('file_name')
        if type(name) is int:
            image['file_name'] = str(name)
            numbers.append(row)
        elif name is None:
            other = next((one for one in NAMES if _is_text(image.get(one))), None)
            if other is not None:
                image['file_name'] = image[other]
                rows_by_field.setdefault(other, []).append(row)
    images.report('repaired', numbers, 'file_name', 'a number: read as a text')
    for other, rows in rows_by_field.items():
        images.report('repaired', rows, 'file_name', f'missing: taken from "{other}"')


def _is_text(value: object) -> bool:
    return type(value) is str and bool(value.strip())


def _correct_names(images: Records, folder: Path) -> None:
    """Replace names that no photo has by those of the photos that they mean."""
    given: list[Any] = [image.get('file_name') for image in images.records]
    texts = [name for name in given if type(name) is str and name.strip()]
    meant, shared = find_photos(texts, folder)
    rows_by_reason: dict[str, list[int]] = {}
    for row, name in enumerate(given):
        if type(name) is str and name in meant:
            images.records[row]['file_name'] = meant[name].name
            rows_by_reason.setdefault(meant[name].why, []).append(row)
    for why, rows in rows_by_reason.items():
        example = given[rows[0]]
        message = f"no photo has this name ({why}): '{example}' is '{meant[example].name}'"
        images.report('repaired', rows, 'file_name', message)
    rows = [row for row, name in enumerate(given) if type(name) is str and name in shared]
    if rows:
        name = given[rows[0]]
        message = (
            f"'{name}' may be {shared[name].name}, which another record is, too: if they are one "
            'photo, write its name in both; else add the other photo'
        )
        images.report('error', rows, 'file_name', message)


def _read_sizes(images: Records, folder: Path | None) -> None:
    """Read sizes of floats and texts as numbers, and missing ones from the photos."""
    numbers, missing, turned = [], [], []
    for row, image in enumerate(images.records):
        sides: tuple[Any, Any] = image.get('width'), image.get('height')
        if type(sides[0]) is int and type(sides[1]) is int and min(sides) > 0:
            continue
        read = [number(side) for side in sides]
        whole = [int(side) for side in read if side is not None and side >= 1 and side.is_integer()]
        if len(whole) == 2:
            image.update(width=whole[0], height=whole[1])
            numbers.append(row)
        elif folder is not None and any(side is None or side == 0 for side in sides):
            size = _size_of(folder, image.get('file_name'))
            if size is not None and all(
                side is None or side == 0 or number(side) == own
                for side, own in zip(sides, size, strict=True)
            ):
                image.update(width=size[0], height=size[1])
                missing.append(row)
                if read_header(folder / str(image['file_name'])).orientation >= 5:
                    turned.append(row)
    images.report('repaired', numbers, 'width, height', 'not whole numbers: read as such')
    images.report('repaired', missing, 'width, height', 'missing: read from the photo')
    images.report('warning', turned, 'width, height', TURNED)


def _size_of(folder: Path, name: object) -> tuple[int, int] | None:
    if type(name) is not str or not name:
        return None
    try:
        return image_size(folder / name)
    except ValueError:  # which the checks report
        return None


def _merge(images: Records, folder: Path | None) -> dict[Hashable, int]:
    """Merge records of the same photo; the ids of those left out -> of those that stay."""
    ids: list[Any] = [image.get('id') for image in images.records]
    photos = _photos(images, folder)
    owners: dict[Hashable, set] = {}
    for identity, photo in zip(ids, photos, strict=True):
        if is_id(identity):
            owners.setdefault(identity, set()).add(photo)
    first: dict[tuple, int] = {}
    moved: dict[Hashable, int] = {}
    rows = []
    for row, photo in enumerate(photos):
        if photo is None or not is_id(ids[row]) or len(owners[ids[row]]) > 1:
            continue  # whose annotations are whose cannot be told
        original = first.setdefault(photo, row)
        if original != row:
            rows.append(row)
            if ids[row] != ids[original]:
                moved[ids[row]] = ids[original]
    if rows:
        message = 'the same photo as an image before: merged, with the annotations of both'
        images.report('repaired', rows, 'file_name', message)
        left_out = set(rows)
        images.records[:] = [i for row, i in enumerate(images.records) if row not in left_out]
    return moved


def _photos(images: Records, folder: Path | None) -> list[tuple | None]:
    """What tells the photo of each image from others, by any name; None if unknown or lost."""
    names: list[Any] = [image.get('file_name') for image in images.records]
    texts = [name for name in names if type(name) is str and name]
    paths = dict(zip(texts, texts, strict=True)) if folder is None else real_paths(folder, texts)
    photos: list[tuple | None] = []
    for name, image in zip(names, images.records, strict=True):
        width, height = image.get('width'), image.get('height')
        is_known = type(name) is str and name and {type(width), type(height)} <= {int}
        is_there = is_known and (folder is None or os.path.exists(paths[name]))
        photos.append((os.path.normpath(paths[name]), width, height) if is_there else None)
    return photos
