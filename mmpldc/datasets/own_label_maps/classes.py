"""The classes of somebody's label maps: names, and the number or colour that each has in them."""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from ..label_maps import IGNORE
from .class_fields import Color, Entry
from .class_files import read_class_file

MEANS_NO_LABEL = {'void', 'ignore', 'ignored', 'unlabeled', 'unlabelled', '__ignore__'}
HUGE = 65535  # the largest number of a 16-bit map


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
        given: their names, in the order of their numbers; or one file, see
            :func:`~.class_files.read_class_file`. A name may have several lines. ``void`` and the
            like mean no label; so does labelme's ``__ignore__``, which takes up no number.
        values: their numbers in label maps, in the same order.

    Raises:
        ValueError: naming the file and line, if it cannot be understood.
    """
    if len(given) == 1 and Path(given[0]).is_file():
        entries = read_class_file(Path(given[0]))
        if not entries:
            raise ValueError(f'{given[0]}: has no class: write a line for each')
    elif len(given) == 1 and Path(given[0]).is_dir():
        raise ValueError(f'--classes: {given[0]} is a folder: give a file, or the names')
    elif len(given) == 1 and Path(given[0]).suffix:
        raise ValueError(f'--classes: there is no file {given[0]}')
    else:
        entries = [Entry(name.strip()) for name in given]
    blank = [place for place, entry in enumerate(entries, 1) if not entry.name]
    if blank:
        raise ValueError(f'--classes: name {blank[0]} is blank')
    taken_out = [entry.name for entry in entries if _has_no_number(entry)]
    entries = [entry for entry in entries if not _has_no_number(entry)]
    if values is not None:
        if len(values) != len(entries):
            raise ValueError(f'--values has {len(values)} numbers for {len(entries)} --classes')
        entries = [entry._replace(value=n) for entry, n in zip(entries, values, strict=True)]
    elif any(name.lower() in MEANS_NO_LABEL for name, *_ in entries) and not any(
        color for *_, color in entries
    ):
        entries = [
            entry._replace(value=row if entry.value is None else entry.value)
            for row, entry in enumerate(entries)
        ]
    elif all(color for *_, color in entries) and any(
        (value or 0) > HUGE for _, value, _ in entries
    ):
        entries = [entry._replace(value=None) for entry in entries]  # keys of a tool's database
    for _, value, color in entries:
        if value is not None and not 0 <= value <= HUGE:
            raise ValueError(f'--classes or --values has the number {value}: they are 0 to {HUGE}')
        if color is not None and max(color) > 255:
            raise ValueError(f'--classes has the colour {color}: its parts are 0 to 255')
    names: dict[str, int] = {}
    by_value: dict[int, int] = {}
    by_color: dict[Color, int] = {}
    ignored = taken_out
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


def _has_no_number(entry: Entry) -> bool:
    """Whether it is -1 for no label, which label maps write as 255."""
    means_none = entry.name.lower() in MEANS_NO_LABEL
    is_labelme = entry.name == '__ignore__' and entry.value is None
    return entry.color is None and (is_labelme or (means_none and entry.value == -1))


def _voc_color(label: int) -> Color:
    """The bits of the number, spread over the channels."""
    red = green = blue = 0
    for bit in range(8):
        red |= (label & 1) << (7 - bit)
        green |= (label >> 1 & 1) << (7 - bit)
        blue |= (label >> 2 & 1) << (7 - bit)
        label >>= 3
    return red, green, blue
