"""Reading a COCO-format file: its structure, and its records field by field."""

from collections.abc import Collection, Sequence

import numpy as np

from ..coco_files import UnusableFile, outline_fault, read_json
from .findings import Finding, Level, some

INTEGER = frozenset({int})  # bool is a type of its own here
NUMBER = frozenset({int, float})


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
        coco = read_json(path)
    except FileNotFoundError:
        problem = 'no such file: correct ann_file or data_root'
    except UnusableFile as error:
        problem = error.problem
    except OSError as error:
        problem = f'cannot be read ({error.strerror}): give a readable annotation file'
    else:
        problem = outline_fault(coco, optional=tuple(optional))
    if problem:
        return None, [Finding('error', path, '', problem)]
    for name in optional:
        coco.setdefault(name, [])
    return coco, []


class Names:
    """What records were called in the input, for those whose id was changed since."""

    def __init__(self) -> None:
        self._kept: dict[int, tuple[str, dict]] = {}  # the record, so that its id() stays its own

    def keep(self, record: dict, row: int) -> None:
        """Remember a record's name, once."""
        if id(record) not in self._kept:
            self._kept[id(record)] = (name_of(record, row), record)

    def of(self, record: dict, row: int) -> str:
        """The record's name in the input."""
        kept = self._kept.get(id(record))
        return name_of(record, row) if kept is None else kept[0]


def name_of(record: dict, row: int) -> str:
    """The record's id, or its place in the list if it has none."""
    identity = record.get('id')
    return str(identity) if type(identity) in (int, str) else f'[{row}]'


class Records:
    """Records of one kind in a file, read field by field.

    Args:
        records: N dicts.
        kind: what one is called, such as 'image'.
        file: path that findings name.
        names: of records whose ids were changed.

    Attributes:
        findings: faults found so far, one for each kind of fault.
    """

    def __init__(
        self, records: list[dict], kind: str, file: str, names: Names | None = None
    ) -> None:
        self.records = records
        self.kind = kind
        self.file = file
        self.names = names or Names()
        self.findings: list[Finding] = []

    def report(self, level: Level, rows: Sequence | np.ndarray, field: str, message: str) -> None:
        """Add a finding about ``rows``: indices, or ``(N,)`` bool. None if there are none."""
        if isinstance(rows, np.ndarray) and rows.dtype == bool:
            rows = np.flatnonzero(rows)
        if len(rows):
            names = [self.names.of(self.records[row], row) for row in rows]
            where = f'{some(self.kind, names)}: {field}'
            own = tuple(map(int, rows))
            self.findings.append(Finding(level, self.file, where, message, self.kind, own))

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
