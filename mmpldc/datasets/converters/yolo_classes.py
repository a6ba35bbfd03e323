"""Lists of classes as YOLO's tools write them."""

import re
from pathlib import Path

import yaml

from mmpldc.utils.text import read_lines, read_text

# A number before or behind a name. Blanks alone may belong to the name.
BEFORE = re.compile(r'(?P<number>\d+)(?P<mark>\s*[:,;=|\t]\s*|[.)]\s+|\s+)(?P<name>\S.*)')
BEHIND = re.compile(r'(?P<name>.*?\S)(?P<mark>\s*[:,;=|\t]\s*|\s+)(?P<number>\d+)')
NO_NAMES = {'#': 'a comment', '[': 'a list', '{': 'a list'}  # what lines that begin so may be
OR_CLASSES = 'or give the names with --classes'


def read_class_names(path: str | Path) -> list[str]:
    """Class names in a YOLO ``data.yaml``, or in a text with a name per line.

    Args:
        path: ``*.yaml`` with ``names``, a list or a dict from 0 on; any other suffix, such as
            ``classes.txt`` or ``obj.names``: a text, whose lines may have numbers from 0 on.

    Raises:
        ValueError: if there are none, numbers are left out, or the labels are keypoints; if a
            line of a text may be a comment or a list.
    """
    path = Path(path)
    if path.suffix.lower() not in ('.yaml', '.yml'):
        return _names_of_lines(path)
    try:
        # the base loader reads all as text: YAML's own takes on and off for true and false
        content = yaml.load(read_text(path), yaml.BaseLoader)  # noqa: S506
    except yaml.YAMLError as error:
        raise ValueError(f'{path} is not yaml: {" ".join(str(error).split())}') from error
    content = content if isinstance(content, dict) else {}
    if 'kpt_shape' in content:
        raise ValueError(
            f'{path} has kpt_shape: its labels are keypoints, and masks are needed: export '
            'segmentation labels'
        )
    names = content.get('names')
    if isinstance(names, dict):
        if sorted(names) != sorted(map(str, range(len(names)))):
            raise ValueError(f'{path}: names must be numbered from 0 on, got {", ".join(names)}')
        names = [names[str(index)] for index in range(len(names))]
    if not isinstance(names, list) or not names or not all(type(name) is str for name in names):
        found = 'no' if not names else 'no list of'
        raise ValueError(f"{path} has {found} 'names' of classes, such as names: [apple, pear]")
    return names


def _names_of_lines(path: Path) -> list[str]:
    """Class names of a text with one a line, maybe with their numbers."""
    lines = read_lines(path)
    rows = [(number, line) for number, line in enumerate(lines, 1) if line]
    if not rows:
        raise ValueError(f'{path} has no names of classes')
    for number, line in rows:
        if line[0] in NO_NAMES:
            raise ValueError(
                f'{path}, line {number}: begins with {line[0]!r}, as {NO_NAMES[line[0]]} does: '
                f'write a name in each line and nothing else, {OR_CLASSES}'
            )
    return _by_number(rows, path) or lines[: rows[-1][0]]


def _by_number(rows: list[tuple[int, str]], path: Path) -> list[str] | None:
    """Names in the order of the numbers beside them; None if the lines are names alone.

    Args:
        rows: lines that are not empty, with their places in the file.
        path: of the file.
    """
    for pattern in (BEFORE, BEHIND):
        read = [pattern.fullmatch(line) for _, line in rows]
        found = [match for match in read if match]
        marked = [match for match in found if match['mark'].strip(' ')]
        if marked and len(found) < len(rows):
            line = next(number for (number, _), match in zip(rows, read, strict=True) if not match)
            raise ValueError(
                f'{path}, line {line}: has no number, as others have ({marked[0][0]}): number all '
                f'classes from 0 on, or none, {OR_CLASSES}'
            )
        numbers = [int(match['number']) for match in found]
        # lane 1, lane 2: numbers that belong to the names
        if len({match['name'] for match in found}) < len(rows):
            continue
        if not marked and pattern is BEHIND and numbers == list(range(len(rows))):
            return None  # level 0, stage 1: either reading has this order
        if sorted(numbers) == list(range(len(rows))):
            return [found[numbers.index(number)]['name'] for number in range(len(rows))]
        if marked or (len(rows) > 1 and sorted(numbers) == list(range(1, len(rows) + 1))):
            raise ValueError(
                f'{path}: the names have the numbers {", ".join(map(str, numbers[:5]))}, but '
                f"YOLO's classes are 0 to {len(rows) - 1}: number them from 0 on, or write the "
                f'names alone in the order of the classes, {OR_CLASSES}'
            )
    return None
