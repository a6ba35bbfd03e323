"""Tables of labels of medical viewers: ITK-SNAP's, 3D Slicer's and FreeSurfer's."""

import re
from collections.abc import Sequence

from .class_fields import Entry

# 1 255 0 0 1 1 1 "left kidney": number, colour, opacity, two flags, name
ITK_SNAP = re.compile(
    r'(?P<value>\d+)\s+(?P<red>\d+)\s+(?P<green>\d+)\s+(?P<blue>\d+)\s+[\d.]+\s+[01]\s+[01]\s+'
    r'"(?P<name>[^"]*)"'
)
# 1 left kidney 255 0 0 255: number, name, colour, opacity
WITH_OPACITY = re.compile(
    r'(?P<value>\d+)\s+(?P<name>\S.*?)\s+(?P<red>\d+)\s+(?P<green>\d+)\s+(?P<blue>\d+)\s+\d+'
)
# 1 left kidney 255 0 0
WITHOUT_OPACITY = re.compile(WITH_OPACITY.pattern.removesuffix(r'\s+\d+'))
COLOR = 'red', 'green', 'blue'


def of_color_table(lines: Sequence[tuple[int, str]]) -> list[tuple[str, Entry]] | None:
    """Classes of such a table, each with its place in words; None if the lines are none.

    Args:
        lines: that are not empty, with their places in the file.

    Note:
        Label maps of these programs have the numbers. So colours count if all differ; else they
        are for the eye alone.
    """
    for pattern in ITK_SNAP, WITH_OPACITY, WITHOUT_OPACITY:
        rows = [pattern.fullmatch(line) for _, line in lines]
        found = [row for row in rows if row]
        if not found or len(found) < len(lines):
            continue
        red, green, blue = ([int(row[part]) for row in found] for part in COLOR)
        colors = list(zip(red, green, blue, strict=True))
        are_distinct = len(set(colors)) == len(colors)
        return [
            (
                f'line {number}',
                Entry(row['name'].strip(), int(row['value']), color if are_distinct else None),
            )
            for (number, _), row, color in zip(lines, found, colors, strict=True)
        ]
    return None
