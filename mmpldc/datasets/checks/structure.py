"""What the lists of a file refer to each other by: ids, file names and names of classes."""

from pathlib import Path
from typing import Any

import numpy as np

from ..coco_files import UnusableFile, outline_fault, read_coco
from .classes import plain
from .findings import Finding, Level, printable, some
from .records import INTEGER, Records


def check_structure(coco: dict, *, file: str) -> list[Finding]:
    """Check what a file's lists refer to each other by: ids and file names, and nothing else.

    Args:
        coco: with the lists ``images``, ``annotations`` and ``categories``.
        file: path that findings name.
    """
    images = Records(coco['images'], 'image', file)
    categories = Records(coco['categories'], 'category', file)
    annotations = Records(coco['annotations'], 'annotation', file)
    image_ids, _ = check_identities(images, repeated='error')
    category_ids, _ = check_categories(categories)
    check_references(annotations, image_ids, category_ids)
    return [*images.findings, *categories.findings, *annotations.findings]


def read_categories(path: str | Path) -> list[dict]:
    """Categories of a COCO-format file, each with an id and a name of its own.

    Raises:
        ValueError: if the file has none, or one has an error.
    """
    records = read_coco(path, 'categories')['categories']
    problem = outline_fault(dict(images=[], annotations=[], categories=records))
    if problem or not records:
        raise UnusableFile(path, problem or 'has no categories')
    categories = Records(records, 'category', str(path))
    check_categories(categories)
    for finding in categories.findings:
        if finding.level == 'error':
            raise UnusableFile(path, f'{finding.where}: {finding.message}')
    return records


def check_references(
    annotations: Records, image_ids: list, category_ids: list
) -> tuple[np.ndarray, np.ndarray]:
    """``(N,)`` rows of each annotation's image and category, -1 where unknown."""
    counted = _counted_from_elsewhere(annotations, category_ids)
    if counted:
        where = 'annotations: category_id'
        annotations.findings.append(Finding('error', annotations.file, where, counted))
        category_ids = [None]  # an unknown category is a consequence
    return (
        _rows_of(annotations, 'image_id', {int, str}, image_ids, 'images'),
        _rows_of(annotations, 'category_id', INTEGER, category_ids, 'categories'),
    )


def _counted_from_elsewhere(annotations: Records, ids: list) -> str | None:
    """What to say if the annotations count the classes from another number than the categories.

    It concerns all of them: those whose class is known have a wrong one.
    """
    values: list[Any] = [annotation.get('category_id') for annotation in annotations.records]
    if len(ids) < 2 or {*map(type, values), *map(type, ids)} != {int}:
        return None
    used, first, last = set(values), min(ids), max(ids)
    unknown = used - set(ids)
    if unknown == {first - 1} and last not in used:
        start, change = first - 1, 'add 1 to'
    elif unknown == {last + 1} and first not in used:
        start, change = first + 1, 'subtract 1 from'
    else:
        return None
    if len(used) < 2:
        return None
    return (
        f'{min(used)} to {max(used)}, but the categories are {first} to {last}: if the annotations '
        f'count classes from {start}, {change} each category_id; else delete those of '
        f'{unknown.pop()}'
    )


def check_identities(images: Records, *, repeated: Level = 'warning') -> tuple[list, list]:
    """Ids and file names; ``repeated`` is the level of a name that several records have."""
    ids = images.column('id', {int, str}, 'a whole number')
    message = 'not unique: give each image an id of its own'
    with_known_id = set(images.unique(ids, 'id', 'error', message))
    names = images.column('file_name', {str}, "the image's path below the folder of images")
    empty = [row for row, name in enumerate(names) if name == '']
    images.report(
        'error', empty, 'file_name', "empty: write the image's path below the folder of images"
    )
    others = [None if row in with_known_id else name for row, name in enumerate(names)]
    message = 'an image is listed more than once: merge its records'
    images.unique(others, 'file_name', repeated, message)
    return ids, names


def check_categories(categories: Records) -> tuple[list, list]:
    """Ids and names."""
    ids = categories.column('id', INTEGER, 'a whole number')
    categories.unique(ids, 'id', 'error', 'not unique: give each category an id of its own')
    truths = [row for row, c in enumerate(categories.records) if type(c.get('name')) is bool]
    expected = 'a text'
    if truths:
        expected += '; YAML reads on, off, yes and no as true and false: write names in quotes'
    names = categories.column('name', {str}, expected)
    empty = [row for row, name in enumerate(names) if name is not None and not name.strip()]
    categories.report('error', empty, 'name', "empty: write the class's name")
    halves = [row for row, name in enumerate(names) if name and printable(name) != name]
    categories.report('error', halves, 'name', 'has half a character: write the name anew')
    message = 'not unique: rename one of them, or merge them if they are the same class'
    categories.unique(names, 'name', 'error', message)
    _check_spellings(categories, names)
    return ids, names


def _check_spellings(categories: Records, names: list) -> None:
    """Warn of classes that may be one, spelt differently."""
    first: dict[str, str] = {}
    alike = []
    for row, name in enumerate(names):
        if name and name.strip() and first.setdefault(plain(name), name) != name:
            alike.append(row)
    if alike:
        pairs = [f"'{names[row]}' and '{first[plain(names[row])]}'" for row in alike]
        message = f'{some("class", pairs)} differ in spelling only: merge them if they are the same'
        categories.report('warning', alike, 'name', message)


def _rows_of(
    annotations: Records, field: str, types: set | frozenset, ids: list, of: str
) -> np.ndarray:
    """``(N,)`` int64 row of each annotation's image or category, -1 where unknown."""
    values = annotations.column(field, types, f'the id of one of the {of}')
    rows = {identity: row for row, identity in reversed(list(enumerate(ids)))}
    rows.pop(None, None)
    found = np.array([-1 if value is None else rows.get(value, -1) for value in values], np.int64)
    known = np.array([value is not None for value in values], bool)
    if None not in ids and len(set(ids)) == len(ids):  # else they are unknown because of that
        unknown = np.flatnonzero(known & (found < 0))
        message = f'not in {of}: add what is missing there, or delete the annotations'
        if len(unknown) and type(values[unknown[0]]) not in set(map(type, ids)) and ids:
            message = (
                f'{values[unknown[0]]!r} is not in {of}, whose ids are of type '
                f'{type(ids[0]).__name__}: write ids alike, as numbers'
            )
        annotations.report('error', unknown, field, message)
    return found
