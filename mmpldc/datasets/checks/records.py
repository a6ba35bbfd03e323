"""Reading a COCO-format file: its structure, and its records field by field."""

import json
from collections.abc import Collection, Sequence

import numpy as np

from .findings import Finding, Level, some

INTEGER = frozenset({int})  # bool is a type of its own here
NUMBER = frozenset({int, float})
LISTS = ('images', 'annotations', 'categories')


def load_coco(path: str, *, optional: Collection[str] = ()) -> tuple[dict | None, list[Finding]]:
    """Read a COCO-format file and check its outline.

    Args:
        path: of the file.
        optional: lists that may be absent; they are then put in, empty.

    Returns:
        Its content, with ``images``, ``annotations`` and ``categories`` that are lists of dicts,
        or None; and one finding if it is None.
    """
    problem: str | None
    try:
        with open(path, encoding='utf-8') as file:
            coco = json.load(file)
    except FileNotFoundError:
        problem = 'no such file: correct ann_file or data_root'
    except json.JSONDecodeError as error:
        problem = (
            f'line {error.lineno}, column {error.colno}: not valid JSON ({error.msg}): '
            'the file was cut off or edited by hand; write it again'
        )
    except UnicodeDecodeError:
        problem = 'is not a JSON text but binary data: give the annotation file'
    except (ValueError, RecursionError) as error:  # a number, or a nesting, without end
        problem = f'cannot be read ({error}): write it again'
    except OSError as error:
        problem = f'cannot be read ({error.strerror}): give a readable annotation file'
    else:
        problem = _outline(coco, optional)
    if problem:
        return None, [Finding('error', path, '', problem)]
    for name in optional:
        coco.setdefault(name, [])
    return coco, []


def _outline(coco: object, optional: Collection[str]) -> str | None:
    """What is wrong with the outermost structure, else None."""
    if isinstance(coco, list):
        results = coco and isinstance(coco[0], dict) and 'image_id' in coco[0]
        return (
            'is a list of results (predictions)' if results else 'is a list'
        ) + ', not a data set: give the file that has "images", "annotations" and "categories"'
    if not isinstance(coco, dict):
        return f'holds a single {type(coco).__name__}, not a COCO-format data set'
    missing = [name for name in LISTS if name not in coco and name not in optional]
    if missing:
        return (
            f'{", ".join(missing)} missing: a COCO-format file has the lists "images", '
            '"annotations" and "categories"; tools/dataset/convert.py makes it from other formats'
        )
    for name in LISTS:
        records = coco.get(name, [])
        if not isinstance(records, list):
            return f'"{name}" is a {type(records).__name__}: it must be a list of objects'
        if set(map(type, records)) - {dict}:
            row = next(row for row, record in enumerate(records) if type(record) is not dict)
            return f'{name}[{row}] is not an object with named fields: write it as COCO does'
    return None


class Records:
    """Records of one kind in a file, read field by field.

    Args:
        records: N dicts.
        kind: what one is called, such as 'image'.
        file: path that findings name.

    Attributes:
        findings: faults found so far, one for each kind of fault.
    """

    def __init__(self, records: list[dict], kind: str, file: str) -> None:
        self.records = records
        self.kind = kind
        self.file = file
        self.findings: list[Finding] = []

    def report(self, level: Level, rows: Sequence | np.ndarray, field: str, message: str) -> None:
        """Add a finding about ``rows``: indices, or ``(N,)`` bool. None if there are none."""
        if isinstance(rows, np.ndarray) and rows.dtype == bool:
            rows = np.flatnonzero(rows)
        if len(rows):
            names = [self._name(row) for row in rows]
            self.findings.append(
                Finding(level, self.file, f'{some(self.kind, names)}: {field}', message)
            )

    def _name(self, row: int) -> str:
        """The record's id, or its place in the list if it has none."""
        identity = self.records[row].get('id')
        return str(identity) if type(identity) in (int, str) else f'[{row}]'

    def column(self, field: str, types: Collection[type], expected: str) -> list:
        """One field of all records.

        Args:
            field: its name.
            types: exact types that it may have.
            expected: these in words.

        Returns:
            N values; None where it is missing or of another type, which is reported.
        """
        values = [record.get(field) for record in self.records]
        if set(map(type, values)) <= set(types):
            return values
        missing = [row for row, value in enumerate(values) if value is None]
        self.report('error', missing, field, f'missing; must be {expected}')
        wrong = [
            row
            for row, value in enumerate(values)
            if value is not None and type(value) not in types
        ]
        if wrong:
            value = repr(values[wrong[0]])
            value = value if len(value) <= 40 else f'{value[:40]}...'
            self.report('error', wrong, field, f'is {value}; must be {expected}')
        for row in wrong:
            values[row] = None
        return values

    def unique(self, values: list, field: str, level: Level, message: str) -> list[int]:
        """Report records that repeat an earlier one's value (None apart); their rows."""
        if len(set(values)) == len(values):
            return []
        seen: set = set()
        repeated = []
        for row, value in enumerate(values):
            if value is not None and value in seen:
                repeated.append(row)
            seen.add(value)
        self.report(level, repeated, field, message)
        return repeated
