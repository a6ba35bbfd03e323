"""Annotations of a user's file: what they refer to, flags and ids put right."""

from collections import Counter
from collections.abc import Hashable, Mapping
from typing import Any

from ..checks.records import Records
from .values import LARGEST_ID, flag, is_id, number, read_whole_numbers, whole_number


def repair_references(
    annotations: Records,
    field: str,
    known: set,
    moved: Mapping[Hashable, int],
    by_name: Mapping[str, int],
) -> None:
    """Read the ids that annotations refer to as what they stand for, and follow moved ones.

    Args:
        annotations: changed in place; what is put right is added to the findings.
        field: ``'image_id'`` or ``'category_id'``.
        known: ids that there are.
        moved: new ids by old ones.
        by_name: ids by the names that are given in their stead.
    """
    changed, example = [], None
    named = []
    for row, annotation in enumerate(annotations.records):
        given = annotation.get(field)
        value = given if type(given) is int else whole_number(given)
        if not is_id(value):
            continue
        new = moved.get(value, value)
        if type(new) is str and new not in known and new in by_name:
            annotation[field] = by_name[new]
            named.append(row)
            continue
        if new is not given and new in known:
            annotation[field] = new
            if type(given) is not int and value not in moved:
                changed.append(row)
                example = given if example is None else example
    message = f'was {example!r}: read as a whole number'
    annotations.report('repaired', changed, field, message)
    annotations.report('repaired', named, field, 'a name: the id of what has it is written')


def repair_flags(annotations: Records) -> None:
    """Write ``iscrowd``, and ``ignore`` where it is given, as 0 or 1."""
    missing = []
    read: dict[str, list[int]] = {}
    for row, annotation in enumerate(annotations.records):
        crowd = annotation.get('iscrowd')
        if crowd is None:
            annotation['iscrowd'] = 0
            missing.append(row)
        for field in 'iscrowd', 'ignore':
            value = annotation.get(field)
            if type(value) is not int and value is not None:
                annotation[field] = flag(value)
                if type(annotation[field]) is int:
                    read.setdefault(field, []).append(row)
    annotations.report('repaired', missing, 'iscrowd', 'missing: 0 written')
    for field, rows in read.items():
        annotations.report('repaired', rows, field, 'not 0 or 1: read as such')


def repair_scores(annotations: Records, default: float | None) -> None:
    """Read scores of weak labels that are texts as numbers, and write missing ones.

    Args:
        annotations: changed in place; what is put right is added to the findings.
        default: of annotations without one; None leaves them without.
    """
    texts, missing = [], []
    for row, annotation in enumerate(annotations.records):
        score = annotation.get('score')
        if type(score) is str and number(score) is not None:
            annotation['score'] = number(score)
            texts.append(row)
        elif score is None and default is not None:
            annotation['score'] = default
            missing.append(row)
    annotations.report('repaired', texts, 'score', 'a text: read as a number')
    annotations.report('repaired', missing, 'score', f'missing: {default} written, as was asked')


def drop_repeated(annotations: Records) -> None:
    """Leave out annotations that repeat an earlier one: image, class and mask.

    The same mask in another class is warned of.
    """
    first: dict[tuple, list[dict]] = {}
    repeated, otherwise = [], []
    for row, annotation in enumerate(annotations.records):
        mask, category = annotation.get('segmentation'), annotation.get('category_id')
        key = (
            repr(annotation.get('image_id')),
            repr(annotation.get('iscrowd')),
            _beginning(mask),
        )
        earlier = first.setdefault(key, [])
        same = [other for other in earlier if other.get('segmentation') == mask] if mask else []
        if any(other.get('category_id') == category for other in same):
            repeated.append(row)
            continue
        if same:
            otherwise.append(row)
        earlier.append(annotation)
    message = 'the same as an annotation before, its id apart: left out'
    annotations.report('repaired', repeated, 'segmentation', message)
    message = 'the same mask as an annotation of another class: one of them is wrong'
    annotations.report('warning', otherwise, 'category_id', message)
    left_out = set(repeated)
    annotations.records[:] = [
        annotation for row, annotation in enumerate(annotations.records) if row not in left_out
    ]


def _beginning(mask: object) -> Hashable:
    """What tells most masks of an image apart; equal for equal ones."""
    if type(mask) is dict:
        mask = mask.get('counts')
    elif type(mask) is list and mask and type(mask[0]) is list:
        mask = mask[0]
    start = mask[:8] if type(mask) is list or type(mask) is str else [mask]
    return tuple(part if type(part) in (int, float, str) else repr(part) for part in start)


def repair_ids(annotations: Records) -> None:
    """Number all annotations from 1 unless their ids are different whole numbers above 0."""
    read_whole_numbers(annotations, 'id')
    ids: list[Any] = [annotation.get('id') for annotation in annotations.records]
    are_numbers = set(map(type, ids)) <= {int} and len(set(ids)) == len(ids)
    if are_numbers and 0 < min(ids, default=1) <= max(ids, default=1) <= LARGEST_ID:
        return
    counts = Counter(repr(identity) for identity in ids)
    wrong = [
        row
        for row, identity in enumerate(ids)
        if type(identity) is not int or not 0 < identity <= LARGEST_ID or counts[repr(identity)] > 1
    ]
    annotations.report(
        'repaired', wrong, 'id', 'missing, a text, not unique, below 1 or huge: all numbered from 1'
    )
    for row, annotation in enumerate(annotations.records):
        annotations.names.keep(annotation, row)
        annotation['id'] = row + 1
