"""Which class each number or colour of somebody's label maps means."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

from ..checks.findings import Finding, some
from ..label_maps import IGNORE
from .classes import HUGE, Classes
from .reading import Contents, color_of

UNKNOWN = 254  # no class: there are at most 254
NAMED = 5  # values that a message lists


class Numbering(NamedTuple):
    """What values mean.

    Attributes:
        numbers: ``(65536,)`` uint8, number -> class, 255 for no label, 254 if it means nothing.
        colors: colour as a number -> class, likewise.
    """

    numbers: np.ndarray
    colors: Mapping[int, int]

    def classes_of(self, values: np.ndarray, *, is_color: bool) -> np.ndarray:
        """Classes of values of any shape, uint8; see :class:`.reading.RawMap`."""
        if not is_color:
            return self.numbers[values]
        known = np.array(sorted(self.colors), np.int64)
        labels = np.array([self.colors[value] for value in known.tolist()], np.uint8)
        place = np.minimum(np.searchsorted(known, values), len(known) - 1)
        return np.where(known[place] == values, labels[place], UNKNOWN).astype(np.uint8)


def decide(
    contents: Mapping[str, Contents], classes: Classes, ignored: Sequence[int], folder: str
) -> tuple[Numbering, list[Finding]]:
    """Find out what the values of label maps mean, with a word on what does not go without saying.

    Args:
        contents: of each label map by name.
        classes: of the user.
        ignored: numbers that mean no label, besides 255.
        folder: of the label maps, for messages.
    """
    findings = []
    table = np.full(HUGE + 1, UNKNOWN, np.uint8)
    of_numbers = {name: one for name, one in contents.items() if not one.is_color}
    if of_numbers:
        meaning, found = _of_numbers(of_numbers, classes, ignored, folder)
        findings += found
        for value, label in meaning.items():
            table[value] = label
    colors = {blue << 16 | green << 8 | red: n for (red, green, blue), n in classes.colors.items()}
    unknown: dict[int, list[str]] = {}
    for name, one in contents.items():
        for value in one.values.tolist() if one.is_color else ():
            if value not in colors:
                unknown.setdefault(value, []).append(name)
    if unknown:
        names = list(dict.fromkeys(name for names in unknown.values() for name in names))
        shown = ', '.join(str(color_of(value)) for value in list(unknown)[:NAMED])
        more = f' and {len(unknown) - NAMED} more' if len(unknown) > NAMED else ''
        message = (
            f"--classes has no class of the colours {shown}{more}: add lines, with the name 'void' "
            'for what has no label; many colours mean that edges were smoothed: export without'
        )
        findings.append(Finding('error', folder, some('label map', names), message, 'image'))
    return Numbering(table, colors), findings


def _of_numbers(
    contents: Mapping[str, Contents], classes: Classes, ignored: Sequence[int], folder: str
) -> tuple[dict[int, int], list[Finding]]:
    """What each number means."""
    findings: list[Finding] = []
    found = sorted({value for one in contents.values() for value in one.values.tolist()})
    names_of = classes.names
    num = len(names_of)
    first = 1 if 0 in ignored and not classes.values else 0
    meaning = dict(classes.values) or {first + label: label for label in range(num)}
    meaning |= dict.fromkeys((value for value in ignored), IGNORE)
    meaning.setdefault(IGNORE, IGNORE)
    if HUGE in found and HUGE not in meaning:
        meaning[HUGE] = IGNORE
        findings.append(Finding('repaired', folder, '', '65535 is taken for no label'))
    if first:
        message = f"0 means no label, as was said: 1 is '{names_of[0]}'"
        findings.append(Finding('repaired', folder, '', message))
    unknown = [value for value in found if value not in meaning]
    shown_by = [name for name, one in contents.items() if np.isin(one.values, unknown).any()]
    others = [value for value in found if value and value not in ignored]
    if classes.values or first:
        pass
    elif num == 2 and found[0] == 0 and len(others) == 1 and others[0] > 1:
        meaning[others[0]], unknown = 1, []
        message = f"nothing but 0 and {others[0]}: {others[0]} is taken for '{names_of[1]}'"
        findings.append(Finding('repaired', folder, '', message))
    elif unknown == [num] and 0 not in found:
        meaning |= {label + 1: label for label in range(num)}
        unknown = []
        message = f"classes are numbered from 1: 1 is '{names_of[0]}'"
        findings.append(Finding('repaired', folder, '', message))
    elif unknown == [num]:
        message = (
            f'has the values 0 to {num}, but --classes has {num} names: if 0 is the background, '
            'name it first; if 0 means no label, --ignore 0'
        )
        findings.append(Finding('error', folder, some('label map', shown_by), message, 'image'))
        unknown = []
    if unknown:
        shown = ', '.join(map(str, unknown[:NAMED])) + (', ...' if len(unknown) > NAMED else '')
        message = (
            f'has the values {shown}, which no class has: --values gives the number of each class, '
            'in the order of --classes, and --ignore those that mean no label'
        )
        findings.append(Finding('error', folder, some('label map', shown_by), message, 'image'))
    return meaning, findings
