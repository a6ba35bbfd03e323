"""One annotation file: are its records complete, consistent and usable?"""

from dataclasses import dataclass
from typing import Literal

import numpy as np

from .findings import Finding, Level
from .geometry import check_geometry
from .records import INTEGER, Records

Role = Literal['labeled', 'unlabeled', 'val', 'test']
EVALUATED = ('val', 'test')
FLAGS = frozenset({'0', '1', 'False', 'True', 'None'})  # iscrowd, as Python writes it
LONGEST_SIDE = 2**31 - 1  # px: no image has a longer one, and areas stay in 64 bits
AREA_LIMITS = (32**2, 96**2)  # px: COCO's small, medium and large


@dataclass(frozen=True)
class Contents:
    """What other checks and the report need of a file with N images.

    Attributes:
        image_ids: N ids, None where missing.
        file_names: N names, None where missing.
        sizes: ``(N, 2)`` int64 height and width, 0 where unknown.
        categories: name -> id, in the file's order; None if they have an error.
        instances: name -> annotations that are no crowds.
        by_area: instances that are small, medium and large by COCO's limits.
        num_crowds: annotations with iscrowd=1.
        annotated: ``(N,)`` bool, images with an instance.
    """

    image_ids: list
    file_names: list[str | None]
    sizes: np.ndarray
    categories: dict[str, int] | None
    instances: dict[str, int]
    by_area: tuple[int, int, int]
    num_crowds: int
    annotated: np.ndarray


def check_coco(coco: dict, *, file: str, role: Role) -> tuple[list[Finding], Contents]:
    """Check a COCO-format data set by itself, without its images.

    Args:
        coco: with the lists ``images``, ``annotations`` and ``categories``, see
            :func:`~mmpldc.datasets.checks.records.load_coco`.
        file: path that findings name.
        role: 'labeled' needs annotations, 'unlabeled' none, and 'val' and 'test' what COCO's
            evaluation reads.

    Returns:
        One finding for each kind of fault, and a summary.
    """
    images = Records(coco['images'], 'image', file)
    categories = Records(coco['categories'], 'category', file)
    annotations = Records(coco['annotations'], 'annotation', file)
    image_ids, file_names, sizes = _check_images(images)
    category_ids, names = _check_categories(categories)
    findings = [*images.findings, *categories.findings]
    if not images.records:
        findings.append(Finding('error', file, 'images', 'empty: the data set has no image'))
    if not annotations.records and role in ('labeled', 'val'):
        use = 'train' if role == 'labeled' else 'validate'
        message = f'empty: nothing to {use} on; give the file that has the masks'
        findings.append(Finding('error', file, 'annotations', message))
    if annotations.records and role == 'unlabeled':
        message = (
            f'{len(annotations.records)} annotations in an unlabelled set: training does not use '
            'them; make sure that they were meant to be hidden'
        )
        findings.append(Finding('warning', file, 'annotations', message))
    if not images.records:
        annotations = Records([], 'annotation', file)

    image_rows = _rows_of(annotations, 'image_id', {int, str}, image_ids, 'images')
    category_rows = _rows_of(annotations, 'category_id', INTEGER, category_ids, 'categories')
    crowds = _check_annotations(annotations, role)
    own_sizes = np.zeros((len(image_rows), 2), np.int64)
    own_sizes[image_rows >= 0] = sizes[image_rows[image_rows >= 0]]
    area = check_geometry(annotations, own_sizes, crowds)
    findings += annotations.findings

    instances = ~crowds & (image_rows >= 0) & (category_rows >= 0)
    annotated = np.zeros(len(image_ids), bool)
    annotated[image_rows[instances]] = True
    is_sound = not any(finding.level == 'error' for finding in findings)
    if annotations.records and role in ('labeled', 'val') and is_sound and not annotated.any():
        message = 'only crowds: give the file that has the masks of single objects'
        findings.append(Finding('error', file, 'annotations', message))
    per_class = np.bincount(category_rows[instances], minlength=len(names))
    sizes_of_instances = np.digitize(area[instances], AREA_LIMITS)
    contents = Contents(
        image_ids=image_ids,
        file_names=file_names,
        sizes=sizes,
        categories=None if categories.findings else dict(zip(names, category_ids, strict=True)),
        instances={
            name: int(count)
            for name, count in zip(names, per_class, strict=True)
            if name is not None
        },
        by_area=tuple(np.bincount(sizes_of_instances, minlength=3).tolist()),
        num_crowds=int(crowds.sum()),
        annotated=annotated,
    )
    return findings, contents


def _check_images(images: Records) -> tuple[list, list, np.ndarray]:
    """Ids, file names and ``(N, 2)`` sizes."""
    ids = images.column('id', {int, str}, 'a whole number')
    message = 'not unique: give each image an id of its own'
    repeated = set(images.unique(ids, 'id', 'error', message))
    names = images.column('file_name', {str}, "the image's path below data_prefix.img")
    empty = [row for row, name in enumerate(names) if name == '']
    images.report(
        'error', empty, 'file_name', "empty: write the image's path below data_prefix.img"
    )
    others = [None if row in repeated else name for row, name in enumerate(names)]
    message = 'an image is listed more than once: merge its records'
    images.unique(others, 'file_name', 'warning', message)
    sides = []
    for field in ('height', 'width'):
        values = images.column(field, INTEGER, 'a whole number of pixels')
        wrong = [row for row, value in enumerate(values) if value is not None and value <= 0]
        images.report('error', wrong, field, "not above 0: write the image's size in pixels")
        sides.append([min(max(value or 0, 0), LONGEST_SIDE) for value in values])
    return ids, names, np.array(sides, np.int64).T.reshape(-1, 2)


def _check_categories(categories: Records) -> tuple[list, list]:
    """Ids and names."""
    ids = categories.column('id', INTEGER, 'a whole number')
    categories.unique(ids, 'id', 'error', 'not unique: give each category an id of its own')
    names = categories.column('name', {str}, 'a text')
    message = 'not unique: merge categories of one name'
    categories.unique(names, 'name', 'error', message)
    return ids, names


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


def _check_annotations(annotations: Records, role: Role) -> np.ndarray:
    """Ids and crowd flags; ``(N,)`` bool crowds."""
    ids = annotations.column('id', INTEGER, 'a whole number')
    annotations.unique(ids, 'id', 'error', 'not unique: give each annotation an id of its own')
    if role in EVALUATED:
        zero = [row for row, identity in enumerate(ids) if identity == 0]
        message = "0, which COCO's evaluation counts as never found: number annotations from 1"
        annotations.report('warning', zero, 'id', message)
    flags = [record.get('iscrowd') for record in annotations.records]
    missing = [row for row, flag in enumerate(flags) if flag is None]
    level: Level = 'error' if role in EVALUATED else 'warning'
    message = "missing; COCO's evaluation needs it: write 0, and 1 for a group of objects"
    annotations.report(level, missing, 'iscrowd', message)
    wrong = [row for row, flag in enumerate(flags) if repr(flag) not in FLAGS]
    if wrong:
        message = f'is {flags[wrong[0]]!r}; must be 0, or 1 for a group of objects'
        annotations.report('error', wrong, 'iscrowd', message)
    return np.array([flag == 1 for flag in flags], bool)
