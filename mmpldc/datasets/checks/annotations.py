"""One annotation file: are its records complete, consistent and usable?"""

from dataclasses import dataclass
from typing import Literal

import numpy as np

from ..image_header import MOST_TIMES, fault_of_shape
from .findings import Finding, Level, count
from .geometry import check_geometry
from .records import INTEGER, Names, Records
from .scores import check_scores, warn_of_scores
from .structure import check_categories, check_identities, check_references

Role = Literal['labeled', 'unlabeled', 'weak', 'val', 'test']
EVALUATED = ('val', 'test')
FLAGS = frozenset({'0', '1', 'False', 'True', 'None'})  # iscrowd, as Python writes it
LONGEST_SIDE = 2**31 - 1  # px: no image has a longer one, and areas stay in 64 bits
MOST_CROWDS = 0.5  # of a class's annotations: above it, they are hardly groups
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
        most: instances of the image that has most of them.
        fullest: that image's name, None if there is none.
        most_of_class: instances of one class in the image that has most of them.
    """

    image_ids: list
    file_names: list[str | None]
    sizes: np.ndarray
    categories: dict[str, int] | None
    instances: dict[str, int]
    by_area: tuple[int, int, int]
    num_crowds: int
    annotated: np.ndarray
    most: int = 0
    fullest: str | None = None
    most_of_class: int = 0


def check_coco(
    coco: dict,
    *,
    file: str,
    role: Role,
    names: Names | None = None,
    most_crowds: float = MOST_CROWDS,
) -> tuple[list[Finding], Contents]:
    """Check a COCO-format data set by itself, without its images.

    Args:
        coco: with the lists ``images``, ``annotations`` and ``categories``, see
            :func:`~mmpldc.datasets.checks.records.load_coco`.
        file: path that findings name.
        role: 'labeled' needs annotations, 'unlabeled' none, 'weak' needs scores as well, and 'val'
            and 'test' what COCO's evaluation reads.
        names: of records whose ids were changed.
        most_crowds: share of a class's annotations from which on crowds are warned of.

    Returns:
        One finding for each kind of fault, and a summary.
    """
    images = Records(coco['images'], 'image', file, names)
    categories = Records(coco['categories'], 'category', file, names)
    annotations = Records(coco['annotations'], 'annotation', file, names)
    image_ids, file_names, sizes = _check_images(images, role)
    category_ids, classes = check_categories(categories)
    findings = [*images.findings, *categories.findings]
    if not images.records:
        findings.append(Finding('error', file, 'images', 'empty: the data set has no image'))
    if not annotations.records and role in ('labeled', 'weak', 'val'):
        use = 'validate' if role == 'val' else 'train'
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

    image_rows, category_rows = check_references(annotations, image_ids, category_ids)
    crowds = _check_annotations(annotations, role)
    ignored = _check_ignored(annotations)
    own_sizes = np.zeros((len(image_rows), 2), np.int64)
    own_sizes[image_rows >= 0] = sizes[image_rows[image_rows >= 0]]
    area, dropped = check_geometry(annotations, own_sizes, crowds)
    if role not in ('weak', 'unlabeled'):
        warn_of_scores(annotations)
    findings += annotations.findings
    if role == 'weak':
        findings += check_scores(annotations.records, file=file, names=names)

    instances = ~crowds & (image_rows >= 0) & (category_rows >= 0)
    annotated = np.zeros(len(image_ids), bool)
    annotated[image_rows[instances]] = True
    is_sound = not any(finding.level == 'error' for finding in findings)
    if annotations.records and role in ('labeled', 'val') and is_sound:
        problem: str | None = None
        if not annotated.any():
            problem = (
                'only crowds: give the file that has the masks of single objects; CVAT exports '
                'masks of its brush as crowds: --crowds-as-instances of tools/dataset/new_config.py'
            )
        elif (dropped | ignored)[instances].all():
            problem = (
                f'mmdet leaves out all {count(int(instances.sum()), "object")} (ignore, an area of '
                '0 or a side below 1): nothing is left; tools/dataset/new_config.py computes boxes '
                'and areas from the masks'
            )
        if problem:
            findings.append(Finding('error', file, 'annotations', problem))
    if annotated.any():
        findings += _check_crowds(crowds, category_rows, classes, file, most_crowds)
    per_image = np.bincount(image_rows[instances], minlength=len(image_ids))
    cells = image_rows[instances] * len(classes) + category_rows[instances]
    fullest = int(per_image.argmax()) if len(per_image) else None
    per_class = np.bincount(category_rows[instances], minlength=len(classes))
    sizes_of_instances = np.digitize(area[instances], AREA_LIMITS)
    contents = Contents(
        image_ids=image_ids,
        file_names=file_names,
        sizes=sizes,
        categories=None if categories.findings else dict(zip(classes, category_ids, strict=True)),
        instances={
            name: int(number)
            for name, number in zip(classes, per_class, strict=True)
            if name is not None
        },
        by_area=tuple(np.bincount(sizes_of_instances, minlength=3).tolist()),
        num_crowds=int(crowds.sum()),
        annotated=annotated,
        most=0 if fullest is None else int(per_image[fullest]),
        fullest=None if fullest is None else file_names[fullest],
        most_of_class=int(np.bincount(cells).max(initial=0)),
    )
    return findings, contents


def _check_images(images: Records, role: Role) -> tuple[list, list, np.ndarray]:
    """Ids, file names and ``(N, 2)`` sizes."""
    ids, names = check_identities(images)
    sides = []
    for field in ('height', 'width'):
        values = images.column(field, INTEGER, 'a whole number of pixels')
        wrong = [row for row, value in enumerate(values) if value is not None and value <= 0]
        images.report('error', wrong, field, "not above 0: write the image's size in pixels")
        sides.append([min(max(value or 0, 0), LONGEST_SIDE) for value in values])
    sizes = np.array(sides, np.int64).T.reshape(-1, 2)
    shorter, longer = sizes.min(axis=1, initial=LONGEST_SIDE), sizes.max(axis=1, initial=0)
    is_thin = (shorter > 0) & (longer > MOST_TIMES * shorter) & (longer < LONGEST_SIDE)
    if is_thin.any():
        height, width = sizes[is_thin][0]
        level: Level = 'warning' if role in ('unlabeled', 'weak') else 'error'
        message = f'{names[is_thin.argmax()]} has {fault_of_shape(width, height)}'
        images.report(level, is_thin, 'width, height', message)
    return ids, names, sizes


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


def _check_ignored(annotations: Records) -> np.ndarray:
    """``(N,)`` bool: annotations with a flag that mmdet takes for "leave out"."""
    ignored = np.array([bool(record.get('ignore')) for record in annotations.records], bool)
    message = (
        "set, so that mmdet leaves the annotation out, and its object is background: 'ignore': 0 "
        'trains on it, "iscrowd": 1 passes over the place'
    )
    annotations.report('warning', ignored, 'ignore', message)
    return ignored


def _check_crowds(
    crowds: np.ndarray, category_rows: np.ndarray, classes: list, file: str, most: float
) -> list[Finding]:
    """Warn of classes with more crowds than a data set that means groups by them has."""
    known = category_rows >= 0
    total = np.bincount(category_rows[known], minlength=len(classes))
    own = np.bincount(category_rows[known & crowds], minlength=len(classes))
    many = own > most * total
    if not many.any():
        return []
    shares = ', '.join(
        f'{own[label]} of {total[label]} {classes[label]}' for label in np.flatnonzero(many)
    )
    message = (
        f'crowds: {shares}; they are no objects to learn. CVAT exports masks of its brush as '
        'crowds: if they are single objects, --crowds-as-instances of tools/dataset/new_config.py'
    )
    return [Finding('warning', file, 'annotations: iscrowd', message)]
