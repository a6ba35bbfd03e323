"""Classes as records of files: which field is the name, the number and the colour."""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from .column_names import CODE, COLOR, NAME, NUMBER, OTHER, PARTS

Color = tuple[int, int, int]
HEX = re.compile(r'#([0-9a-fA-F]{2})([0-9a-fA-F]{2})([0-9a-fA-F]{2})(?:[0-9a-fA-F]{2})?\b')


class Entry(NamedTuple):
    """A class as a file lists it.

    Attributes:
        name: of the class.
        value: its number in label maps, None if the file does not say.
        color: its RGB, likewise.
    """

    name: str
    value: int | None = None
    color: Color | None = None


def plain(word: str) -> str:
    """A heading in small letters and without blanks, as in :mod:`.column_names`."""
    return re.sub(r'[\s_-]', '', word).casefold()


def of_records(
    records: Sequence[tuple[str, Mapping[str, Any]]], path: Path
) -> list[tuple[str, Entry]]:
    """Classes of records ``(place, fields)``, whatever the fields are called.

    Raises:
        ValueError: naming the file and the place, if a number or colour is none, or if it is not
            clear which field is the number.
    """
    plains = [
        {plain(str(key)): value for key, value in record.items() if value not in (None, '')}
        for _, record in records
    ]
    names, number = _roles(plains, path)
    return [
        (place, _of_fields(fields, names, number, f'{path}, {place}'))
        for (place, _), fields in zip(records, plains, strict=True)
    ]


def _roles(records: Sequence[Mapping[str, Any]], path: Path) -> tuple[list[str], str | None]:
    """The fields that may be names, and the one that is the number, None if there is none."""
    fields = list(dict.fromkeys(field for record in records for field in record))
    whole = [field for field in fields if all(_is_whole(one.get(field, 0)) for one in records)]
    distinct = [
        field
        for field in whole
        if len({str(one.get(field)).strip() for one in records}) == len(records)
    ]
    called = [field for field in fields if field in NAME]
    names = [field for field in called if field not in whole] or called[:1]
    known = [field for field in fields if field in NUMBER]
    coded = [field for field in distinct if field in CODE]
    labels = [field for field in distinct if field in called and field not in names]
    numbers = [*(known or coded)[:1], *labels]
    numbers += [name for name in names if labels and name in whole]
    if len({tuple(str(one.get(field)) for one in records) for field in numbers}) > 1:
        raise ValueError(
            f'{path}: has numbers as {" and as ".join(numbers)}: leave those that label maps have'
        )
    number = next(iter(numbers), None)
    if number or any(field in COLOR or field in PARTS[0] for field in fields):
        return names, number
    for field in distinct:
        values = sorted(int(str(one[field])) for one in records if field in one)
        if field not in names and field not in OTHER and _is_run(values):
            raise ValueError(
                f"{path}: has numbers as '{field}': call them id if label maps have them, or leave "
                'them out'
            )
    return names, None


def _is_run(values: Sequence[int]) -> bool:
    """Whether sorted numbers are those of classes: each one, from 0 or 1 on."""
    return len(values) > 1 and [*values] in ([*range(len(values))], [*range(1, len(values) + 1)])


def _is_whole(value: Any) -> bool:
    return re.fullmatch(r'\s*-?\d+\s*', str(value)) is not None


def _of_fields(
    fields: Mapping[str, Any], names: Sequence[str], number: str | None, place: str
) -> Entry:
    """A class by fields with plain names; see :func:`_roles`."""
    name = next((value for key, value in fields.items() if key in names), '')
    numbers = [value for key, value in fields.items() if key in NUMBER or key == number]
    colors = [value for key, value in fields.items() if key in COLOR]
    parts = [value for names in PARTS for key, value in fields.items() if key in names]
    try:
        value = int(str(numbers[0])) if numbers else None
        color = color_of_field(colors[0]) if colors else color_of_field(parts) if parts else None
    except (TypeError, ValueError):
        raise ValueError(f'{place}: has a number or colour that is none') from None
    return Entry(str(name).strip(), value, color)


def color_of_field(given: Any) -> Color:
    """RGB of three numbers, in a list or a text, or of six digits, or of one number 0xRRGGBB.

    Raises:
        TypeError, ValueError: if it is none.
    """
    if _is_whole(given) and not isinstance(given, bool):
        number = int(given)
        if not 0 <= number <= 0xFFFFFF:
            raise ValueError(f'{number} is no colour')
        return number >> 16, number >> 8 & 255, number & 255
    text = given if isinstance(given, str) else ','.join(map(str, given))
    if match := HEX.search(text):
        return int(match[1], 16), int(match[2], 16), int(match[3], 16)
    red, green, blue = (int(part) for part in re.split(r'[,;\s]+', text.strip('()[] '))[:3])
    return red, green, blue
