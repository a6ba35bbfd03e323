"""Files that list classes: lines, CSV, JSON, YAML, labelme's and CVAT's."""

import csv
import json
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import yaml

from mmpldc.utils.text import is_markup, read_text

from .class_fields import HEX, Color, Entry, color_of_field, of_records, plain
from .color_tables import of_color_table
from .column_names import ALPHA, CODE, COLOR, NAME, NUMBER, PARTS

COMMENT = re.compile(r'(?:^|\s)#(?![0-9a-fA-F]{6}(?:[0-9a-fA-F]{2})?\b).*$')
CVAT = re.compile(r'^(.*?):\s*(\d+\s*,\s*\d+\s*,\s*\d+)\s*:.*$')  # road:128,64,128::
# Numbers before and after a name, such as 7 road, (128, 64, 128) road, road=7, 0,road,128,64,128.
FIRST = re.compile(r'^((?:[(\[]?\s*-?\d+\s*[)\]]?(?:\s*[,;:=|\s]\s*|$))+)(.*)$')
LAST = re.compile(r'^(.*?)((?:\s*[,;:=|\s]\s*[(\[]?\s*-?\d+\s*[)\]]?)+)$')
WHOLE_FLOAT = re.compile(r'(?:^|(?<=[,;:=|\t]))(\s*-?\d+)\.0+(?=\s*(?:[,;:=|\s]|$))')  # 1.0,road
DIVIDED = re.compile(r'[,;:=|\t]')
LISTS = ('names', 'classes', 'labels', 'categories', 'class_names', 'id2label', 'label2id')


def read_class_file(path: Path) -> list[Entry]:
    """Read a list of classes in any usual format.

    Args:
        path: of JSON, YAML, CSV with or without a heading, or a text with a line for each class.

    Raises:
        ValueError: naming the file and the line, if it cannot be understood.
    """
    text = read_text(path).strip('\ufeff')
    if is_markup(text):
        raise ValueError(f'{path}: is XML or HTML: write a line for each class')
    suffix = path.suffix.lower()
    is_json = suffix == '.json' or re.match(r'\s*(\{|\[\s*(["\[{]|$))', text)
    is_yaml = suffix in ('.yaml', '.yml') or re.search(
        rf'^({"|".join(LISTS)}):\s*([\[{{].*)?$|\A\s*- ', text, re.MULTILINE
    )
    try:
        if is_json:
            found = _of_data(json.loads(text), path)
        elif is_yaml:
            found = _of_data(yaml.load(text, yaml.BaseLoader), path)  # noqa: S506 (texts alone)
        else:
            found = _of_lines(text, path)
    except json.JSONDecodeError as error:
        raise ValueError(f'{path}, line {error.lineno}: is no JSON: {error.msg}') from None
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        line = mark.line + 1 if mark else 1
        raise ValueError(f'{path}, line {line}: is no YAML: {error.problem}') from None
    except yaml.YAMLError as error:
        line = text.count('\n', 0, getattr(error, 'position', 0)) + 1
        what = str(error).splitlines()[0]
        raise ValueError(f'{path}, line {line}: is no YAML: {what}: remove it') from None
    return _alike(found, path)


def _alike(found: list[tuple[str, Entry]], path: Path) -> list[Entry]:
    """Entries ``(place, entry)`` without their places, if all say the same kind of thing."""
    kinds: dict[str, str] = {}
    for place, entry in found:
        if not entry.name:
            raise ValueError(f'{path}: {place} has no name')
        kind = (
            ('a number and ' if entry.value is not None else '') + 'a colour'
            if entry.color
            else 'a number'
            if entry.value is not None
            else 'a name alone'
        )
        if entry.name != '__ignore__':
            kinds.setdefault(kind, place)
    if len(kinds) > 1:
        (first, at), (other, there) = list(kinds.items())[:2]
        raise ValueError(f'{path}: {there} has {other}, {at} {first}: write all lines alike')
    return [entry for _, entry in found]


# ---------------------------------------------------------------- lines


def _of_lines(text: str, path: Path) -> list[tuple[str, Entry]]:
    """Classes of lines, each with its place in words."""
    lines = [
        (number, WHOLE_FLOAT.sub(r'\1', line))
        for number, whole in enumerate(text.splitlines(), 1)
        if (line := COMMENT.sub('', whole).strip())
    ]
    if (table := of_color_table(lines)) is not None:
        return table
    mark = _mark(lines[0][1]) if lines else None
    rows = [(number, _cells(line, mark)) for number, line in lines]
    if rows and (columns := _columns(rows, path)) is not None:
        records = [(n, dict(zip(columns, cells, strict=False))) for n, cells in rows[1:]]
        return of_records([(f'line {n}', record) for n, record in records], path)
    if rows and len(rows[0][1]) == 1 and plain(rows[0][1][0]) in NAME and len(rows) > 1:
        lines = lines[1:]  # the heading of a single column
    if len(lines) == 1 and not re.search(r'\d', lines[0][1]):
        number, line = lines[0]
        return [(f'line {number}', Entry(name)) for name in _cells(line)]
    found = [(number, *_numbers_of(line, path, number)) for number, line in lines]
    blank_only = [
        bool(after) and not DIVIDED.search(line)
        for (_, line), (*_, after) in zip(lines, found, strict=True)
    ]
    names = {name for _, name, *_ in found}
    if any(blank_only) and len(names) < len(found):  # lane 1, lane 2: names with a number
        return [(f'line {number}', Entry(line)) for number, line in lines]
    alpha = {numbers[-1] for _, _, numbers, after in found if len(numbers) == 4 == len(after)}
    result = []
    for number, name, numbers, after in found:
        if len(numbers) == 4 == len(after) and alpha == {255}:
            numbers = numbers[:3]  # road,128,64,128,255
        result.append((f'line {number}', _entry(name, numbers, len(after), path, number)))
    return result


def _mark(line: str) -> str | None:
    """What divides the columns of a line, None if it has one."""
    return next((mark for mark in '\t;,|' if mark in line), None)


def _cells(line: str, mark: str | None = None) -> list[str]:
    """Columns of a line of CSV.

    Args:
        line: of the file.
        mark: what divides the heading, which holds where a line has it; else whatever divides it.
    """
    mark = mark if mark and mark in line else _mark(line)
    if mark is None and '"' not in line:
        return [line]
    mark = mark or ','
    cells = [
        cell.strip() for cell in next(csv.reader([line], delimiter=mark, skipinitialspace=True))
    ]
    while len(cells) > 1 and not cells[-1]:
        cells.pop()
    return cells


def _columns(rows: list[tuple[int, list[str]]], path: Path) -> list[str] | None:
    """The heading of a table, None if it has none."""
    number, cells = rows[0]
    if len(rows) < 2 or any(re.fullmatch(r'-?\d+|#\w{6}', cell) for cell in cells):
        return None
    if len(cells) == 1:
        words = cells[0].split()
        known = NAME | NUMBER | CODE | COLOR | ALPHA | set().union(*PARTS)
        if len(words) < 2 or not all(plain(word) in known for word in words):
            return None
        split = [(n, line[0].split(None, len(words) - 1)) for n, line in rows[1:]]
        rows[1:] = split
        cells = words
    columns = [plain(cell) for cell in cells]
    has_numbers = any(re.fullmatch(r'-?\d+|#\w{6}', cell) for _, row in rows[1:] for cell in row)
    if not set(columns) & (NUMBER | COLOR | PARTS[0]) and not (has_numbers and len(columns) > 1):
        return None
    numbers = [cells[place] for place, column in enumerate(columns) if column in NUMBER]
    if len(numbers) > 1:
        raise ValueError(
            f'{path}, line {number}: has the columns {", ".join(numbers)}: leave the one that the '
            'label maps have'
        )
    if not set(columns) & NAME:
        raise ValueError(
            f'{path}, line {number}: is taken for a heading without a column of names: write '
            'id,name or name,r,g,b, or a line for each class alone'
        )
    return columns


def _numbers_of(line: str, path: Path, number: int) -> tuple[str, list[int], list[int]]:
    """Name, numbers and those of the numbers that stand after the name."""
    if match := CVAT.match(line):
        line = f'{match[1]}\t{match[2]}'
    if '"' in line:
        line = '\t'.join(_cells(line))
    line = HEX.sub(lambda m: ' ' + ','.join(str(int(part, 16)) for part in m.groups()) + ' ', line)
    line = line.strip().rstrip(',;').strip()
    before: list[int] = []
    after: list[int] = []
    if match := FIRST.match(line):
        before, line = _whole(match[1]), match[2].strip()
    if (match := LAST.match(line)) and (not before or DIVIDED.search(match[2])):
        line, after = match[1].strip(), _whole(match[2])
    return line.strip().rstrip(',;:=|').strip(), [*before, *after], after


def _whole(text: str) -> list[int]:
    return list(map(int, re.findall(r'-?\d+', text)))


def _entry(name: str, numbers: list[int], after: int, path: Path, line: int) -> Entry:
    """A class by the numbers beside its name, the last ``after`` of which stand behind it."""
    if not numbers:
        return Entry(name)
    if len(numbers) == 1:
        return Entry(name, numbers[0])
    if len(numbers) == 3:
        return Entry(name, None, (numbers[0], numbers[1], numbers[2]))
    if len(numbers) == 4 and after == 3:
        return Entry(name, numbers[0], (numbers[1], numbers[2], numbers[3]))
    raise ValueError(
        f'{path}, line {line}: has {len(numbers)} numbers: a class has one (7,road), three (a '
        'colour: road,128,64,128), or both (7,road,128,64,128)'
    )


# ---------------------------------------------------------------- records


def _of_data(data: Any, path: Path) -> list[tuple[str, Entry]]:
    """Classes of what JSON or YAML holds, each with its place in words."""
    if isinstance(data, Mapping):
        inner = next((key for key in LISTS if isinstance(data.get(key), list | Mapping)), None)
        if inner is not None:
            found = _of_data(data[inner], path)
            palette = data.get('palette')
            if isinstance(palette, list) and len(palette) == len(found):
                return [
                    (at, entry._replace(color=_color(color, path, at)))
                    for (at, entry), color in zip(found, palette, strict=True)
                ]
            return found
        if data and all(isinstance(value, Mapping) for value in data.values()):
            named = [(f'entry {key}', _with_key(str(key), value)) for key, value in data.items()]
            return of_records(named, path)
        items: Iterable = data.items()
        return [(f'entry {key}', _of_item(str(key), value, path)) for key, value in items]
    if not isinstance(data, list):
        raise ValueError(f'{path}: holds no list of classes')
    if data and all(isinstance(value, Mapping) and len(value) > 1 for value in data):
        return of_records([(f'entry {n}', value) for n, value in enumerate(data, 1)], path)
    found = []
    for number, value in enumerate(data, 1):
        place = f'entry {number}'
        if isinstance(value, str):
            entry = Entry(value.strip())
        elif isinstance(value, Mapping) and len(value) == 1:
            entry = _of_item(*next((str(k), v) for k, v in value.items()), path)
        elif isinstance(value, Mapping):
            entry = of_records([(place, value)], path)[0][1]
        elif isinstance(value, list) and value:
            entry = _of_item(str(value[0]), value[1] if len(value) == 2 else value[1:], path)
        else:
            raise ValueError(f'{path}: {place} is no class: write names')
        found.append((place, entry))
    return found


def _of_item(key: str, value: Any, path: Path) -> Entry:
    """A class of a key and what belongs to it: ``0: road``, ``road: [128, 64, 128]`` and others."""
    if isinstance(value, Mapping):
        return of_records([(f'entry {key}', _with_key(key, value))], path)[0][1]
    if plain(key) in NAME and isinstance(value, str):  # - name: road
        return Entry(value.strip())
    text = ','.join(map(str, value)) if isinstance(value, list) else str(value)
    name, numbers, after = _numbers_of(f'{key}\t{text}', path, 0)
    try:
        return _entry(name, numbers, len(after), path, 0)
    except ValueError:
        raise ValueError(f'{path}: entry {key} is no class: write a name and a number') from None


def _with_key(key: str, fields: Mapping[str, Any]) -> dict[str, Any]:
    """A record together with its key, if that is the number or name that the record lacks."""
    of = {plain(str(field)): value for field, value in fields.items()}
    if re.fullmatch(r'\s*-?\d+\s*', key):
        return dict(fields) if of.keys() & NUMBER else {'id': key, **fields}
    words = [value for field, value in of.items() if field in NAME and value not in (None, '')]
    is_named = any(not re.fullmatch(r'\s*-?\d+\s*', str(word)) for word in words)
    return dict(fields) if is_named else {'name': key.strip(), **fields}


def _color(given: Any, path: Path, place: str) -> Color:
    try:
        return color_of_field(given)
    except (TypeError, ValueError):
        raise ValueError(f'{path}: the colour of {place} in the palette is none') from None
