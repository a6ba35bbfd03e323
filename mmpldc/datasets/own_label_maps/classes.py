"""The classes of somebody's label maps: names, and the number or colour that each has in them."""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from mmpldc.utils.text import read_text

from ..label_maps import IGNORE

MEANS_NO_LABEL = {'void', 'ignore', 'ignored', 'unlabeled', 'unlabelled'}
HUGE = 65535  # the largest number of a 16-bit map
NUMBER = r'\(?(\d{1,3})[,;\s]+(\d{1,3})[,;\s]+(\d{1,3})\)?'
COLOR_FIRST = re.compile(rf'^{NUMBER}[,;:\s]+(?P<name>\S.*)$')  # CamVid
COLOR_LAST = re.compile(
    rf'^(?P<name>\S.*?)\s*[,;:\s]\s*{NUMBER}(?::.*)?$'
)  # CVAT: road:128,64,128::
HEX = re.compile(r'^(?:#([0-9a-fA-F]{6})[,;:\s]+(.+)|(.+?)[,;:\s]+#([0-9a-fA-F]{6}))$')
VALUE_FIRST = re.compile(r'^(\d{1,5})[,;:\s]+(?P<name>\D.*)$')  # 7 road
Color = tuple[int, int, int]


class Classes(NamedTuple):
    """Classes, and how label maps write them.

    Attributes:
        names: C names.
        values: number -> class in [0, C), 255 for no label; empty if nobody said.
        colors: RGB -> class, likewise.
        ignored: names among those given that mean no label.
    """

    names: tuple[str, ...]
    values: dict[int, int]
    colors: dict[Color, int]
    ignored: tuple[str, ...] = ()

    @property
    def palette(self) -> list[Color]:
        """A colour for each class: the given ones, else those of PASCAL VOC's label maps."""
        by_class: dict[int, Color] = {}
        for color, label in self.colors.items():
            by_class.setdefault(label, color)
        return [by_class.get(label, _voc_color(label)) for label in range(len(self.names))]


def read_classes(given: Sequence[str], values: Sequence[int] | None = None) -> Classes:
    """Make sense of what a user says of the classes.

    Args:
        given: their names, in the order of their numbers; or one file with a line for each, such as
            ``road``, ``7 road``, ``128 64 128 road``, ``road:128,64,128::`` (CVAT's labelmap.txt)
            or ``road #804080``. A name may have several lines. ``void`` and the like mean no label.
        values: their numbers in label maps, in the same order.

    Raises:
        ValueError: naming the file and line, if it cannot be understood.
    """
    entries: list[tuple[str, int | None, Color | None]]
    if len(given) == 1 and Path(given[0]).is_file():
        entries = _read_file(Path(given[0]))
    elif len(given) == 1 and Path(given[0]).suffix:
        raise ValueError(f'--classes: there is no file {given[0]}')
    else:
        entries = [(name.strip(), None, None) for name in given]
    if values is not None:
        if len(values) != len(entries):
            raise ValueError(f'--values has {len(values)} numbers for {len(entries)} --classes')
        entries = [(name, n, color) for (name, _, color), n in zip(entries, values, strict=True)]
    elif any(name.lower() in MEANS_NO_LABEL for name, *_ in entries) and not any(
        color for *_, color in entries
    ):
        entries = [
            (name, row if value is None else value, color)
            for row, (name, value, color) in enumerate(entries)
        ]
    for _, value, color in entries:
        if value is not None and not 0 <= value <= HUGE:
            raise ValueError(f'--classes or --values has the number {value}: they are 0 to {HUGE}')
        if color is not None and max(color) > 255:
            raise ValueError(f'--classes has the colour {color}: its parts are 0 to 255')
    names: dict[str, int] = {}
    by_value: dict[int, int] = {}
    by_color: dict[Color, int] = {}
    ignored = []
    for name, value, color in entries:
        if name.lower() in MEANS_NO_LABEL:
            label = IGNORE
            ignored.append(name)
        elif name in names and value is None and color is None:
            raise ValueError(f"--classes names '{name}' twice")
        else:
            label = names.setdefault(name, len(names))
        if value is not None and by_value.setdefault(value, label) != label:
            raise ValueError(f'--classes gives {value} to two classes')
        if color is not None and by_color.setdefault(color, label) != label:
            raise ValueError(f'--classes gives {color} to two classes')
    if not 2 <= len(names) < IGNORE:
        raise ValueError(
            f'--classes has {len(names)} names: it takes 2 to 254, the background among them'
        )
    return Classes(tuple(names), by_value, by_color, tuple(ignored))


def _read_file(path: Path) -> list[tuple[str, int | None, Color | None]]:
    lines = read_text(path).splitlines()
    found: list[tuple[str, int | None, Color | None]] = []
    kinds: dict[str, int] = {}
    for number, line in enumerate(map(str.strip, lines), 1):
        if not line or re.match(r'#(?![0-9a-fA-F]{6}\b)', line):
            continue
        entry = _parse(line)
        kind = 'a colour' if entry[2] else 'a number' if entry[1] is not None else 'a name alone'
        if not found and kind == 'a name alone' and re.search(r'[,;].*[,;]', line):
            continue  # a heading such as name,r,g,b
        kinds.setdefault(kind, number)
        found.append(entry)
    if len(kinds) > 1:
        (first, at), (other, line_number) = list(kinds.items())[:2]
        raise ValueError(
            f'{path}: line {line_number} has {other}, line {at} {first}: write all lines alike'
        )
    return found


def _parse(line: str) -> tuple[str, int | None, Color | None]:
    if match := HEX.match(line):
        digits = match[1] or match[4]
        red, green, blue = bytes.fromhex(digits)
        return (match[2] or match[3]).strip(), None, (red, green, blue)
    if match := COLOR_FIRST.match(line) or COLOR_LAST.match(line):
        red, green, blue = (int(part) for part in match.groups() if part and part.isdigit())
        return match['name'].strip(), None, (red, green, blue)
    if match := VALUE_FIRST.match(line):
        return match['name'].strip(), int(match[1]), None
    return line, None, None


def _voc_color(label: int) -> Color:
    """The bits of the number, spread over the channels."""
    red = green = blue = 0
    for bit in range(8):
        red |= (label & 1) << (7 - bit)
        green |= (label >> 1 & 1) << (7 - bit)
        blue |= (label >> 2 & 1) << (7 - bit)
        label >>= 3
    return red, green, blue
