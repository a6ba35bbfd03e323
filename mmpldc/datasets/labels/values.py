"""Values as exports write them, read as what COCO has there."""

import math
from collections.abc import Hashable
from itertools import count
from typing import Any

from ..checks.records import Records

TRUE = frozenset({'1', '1.0', 'true', 'yes'})
LARGEST_ID = 2**53  # JSON's numbers are exact up to here
FALSE = frozenset({'0', '0.0', 'false', 'no', ''})


def whole_number(value: object) -> object:
    """The whole number that a float or a text stands for; anything else as it is.

    ``'07'`` stays a text: it may be another id than 7.
    """
    if type(value) is float and value.is_integer():
        return int(value)
    if type(value) is str:
        text = value.strip()
        if text.isascii() and text.isdigit() and len(text) < 19 and str(int(text)) == text:
            return int(text)
    return value


def number(value: Any) -> float | None:
    """A finite number, also of a text; None for anything else."""
    if type(value) in (int, float, str):
        try:
            result = float(value)
        except (ValueError, OverflowError):
            return None
        if math.isfinite(result):
            return result
    return None


def flag(value: object) -> object:
    """0 or 1 for what stands for it; anything else as it is."""
    text = str(value).strip().lower()
    return 1 if text in TRUE else 0 if text in FALSE else value


def read_whole_numbers(records: Records, field: str) -> None:
    """Replace floats and texts of a field that stand for whole numbers, and report them."""
    values = [record.get(field) for record in records.records]
    if set(map(type, values)) <= {int}:
        return
    changed = []
    for row, value in enumerate(values):
        read = whole_number(value)
        if type(read) is not type(value):
            changed.append(row)
            if field == 'id':
                records.names.keep(records.records[row], row)
            records.records[row][field] = read
    if changed:
        message = f'was {values[changed[0]]!r}: read as a whole number'
        records.report('repaired', changed, field, message)


def number_anew(records: Records) -> dict[Hashable, int]:
    """Give records whose ids are texts, or beyond 2**53, free whole numbers; old ids -> new ones.

    Records with an id that another one has, too, are left as they are: whose is whose is not known.
    """
    ids: list[Any] = [record.get('id') for record in records.records]
    taken = {identity for identity in ids if type(identity) is int and abs(identity) <= LARGEST_ID}
    rows = [row for row, one in enumerate(ids) if is_id(one) and one not in taken]
    if not rows or len({ids[row] for row in rows}) < len(rows):
        return {}
    free = (number for number in count(1) if number not in taken)
    new = {}
    for row in rows:
        records.names.keep(records.records[row], row)
        new[ids[row]] = records.records[row]['id'] = next(free)
    example = ids[rows[0]]
    kind = 'the text ' if type(example) is str else ''
    message = f"was {kind}{example!r}: numbered anew, for COCO's evaluation needs small numbers"
    records.report('repaired', rows, 'id', message)
    return new


def drop_nulls(coco: Any, file: str) -> list:
    """Leave out the nulls of a file's lists, in place; what was left out, as findings."""
    findings = []
    for name, kind in (
        ('images', 'image'),
        ('annotations', 'annotation'),
        ('categories', 'category'),
    ):
        values = coco.get(name) if isinstance(coco, dict) else None
        if isinstance(values, list) and None in values:
            rows = [row for row, value in enumerate(values) if value is None]
            records = Records([{} if value is None else value for value in values], kind, file)
            records.report('repaired', rows, 'null', 'no record: left out')
            findings += records.findings
            coco[name] = [value for value in values if value is not None]
    return findings


def is_id(value: object) -> bool:
    """Whether records can be told apart by it."""
    return type(value) is int or (type(value) is str and bool(value.strip()))
