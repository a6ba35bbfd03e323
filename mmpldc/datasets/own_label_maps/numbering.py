"""Which class each number or colour of somebody's label maps means."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

from ..checks.findings import Finding, Level, some
from ..label_maps import IGNORE
from .classes import HUGE, Classes, Color
from .grey_classes import levels_of_classes
from .reading import Contents, color_of

UNKNOWN = 254  # no class: there are at most 254
NAMED = 5  # values that a message lists


class Numbering(NamedTuple):
    """What values mean.

    Attributes:
        numbers: ``(65536,)`` uint8, number -> class, 255 for no label, 254 if it means nothing.
        colors: colour as a number -> class, likewise.
        palette: index -> RGB of the label maps that are read by index.
    """

    numbers: np.ndarray
    colors: Mapping[int, int]
    palette: Mapping[int, Color] = {}

    def classes_of(self, values: np.ndarray, *, is_color: bool) -> np.ndarray:
        """Classes of values of any shape, uint8; see :class:`.reading.RawMap`."""
        if not is_color:
            return self.numbers[values]
        known = np.array(sorted(self.colors), np.int64)
        labels = np.array([self.colors[value] for value in known.tolist()], np.uint8)
        place = np.minimum(np.searchsorted(known, values), len(known) - 1)
        return np.where(known[place] == values, labels[place], UNKNOWN).astype(np.uint8)


class Decision(NamedTuple):
    """What was found out about the values of a folder.

    Attributes:
        numbering: what they mean.
        findings: what does not go without saying, and errors that only the user can settle.
        faults: label map -> what is wrong with it alone.
    """

    numbering: Numbering
    findings: list[Finding]
    faults: dict[str, str]


def decide(
    contents: Mapping[str, Contents],
    classes: Classes,
    ignored: Sequence[int],
    folder: str,
    like: Numbering | None = None,
) -> Decision:
    """Find out what the values of label maps mean.

    Args:
        contents: of each label map by name.
        classes: of the user.
        ignored: numbers that mean no label, besides 255.
        folder: of the label maps, for messages.
        like: what the values of another folder mean, which these follow; of two classes the second
            one may have another number here.
    """
    findings: list[Finding] = []
    faults: dict[str, str] = {}
    table = np.full(HUGE + 1, UNKNOWN, np.uint8)
    of_numbers = {name: one for name, one in contents.items() if not one.is_color}
    if of_numbers:
        meaning, findings, faults = _of_numbers(of_numbers, classes, ignored, folder, like)
        for value, label in meaning.items():
            table[value] = label
    elif like is not None:
        table = like.numbers
    colors = {blue << 16 | green << 8 | red: n for (red, green, blue), n in classes.colors.items()}
    unknown: dict[int, list[str]] = {}
    for name, one in contents.items():
        for value in one.values.tolist() if one.is_color else ():
            if value not in colors:
                unknown.setdefault(value, []).append(name)
    if unknown:
        shown = ', '.join(str(color_of(value)) for value in list(unknown)[:NAMED])
        more = f' and {len(unknown) - NAMED} more' if len(unknown) > NAMED else ''
        message = (
            f"--classes has no class of the colours {shown}{more}: add lines, with the name 'void' "
            'for what has no label; many colours mean that edges were smoothed: export without'
        )
        faults |= dict.fromkeys((name for names in unknown.values() for name in names), message)
    palette = {index: color for one in contents.values() for index, color in one.palette.items()}
    return Decision(Numbering(table, colors, palette), findings, faults)


def _of_numbers(
    contents: Mapping[str, Contents],
    classes: Classes,
    ignored: Sequence[int],
    folder: str,
    like: Numbering | None,
) -> tuple[dict[int, int], list[Finding], dict[str, str]]:
    """What each number means, what to say of it, and what is wrong with single label maps."""
    findings: list[Finding] = []
    values_of = {name: set(one.values.tolist()) for name, one in contents.items()}
    found = sorted(set().union(*values_of.values()))
    names_of = classes.names
    num = len(names_of)
    first = 1 if 0 in ignored and not classes.values else 0
    meaning = dict(classes.values) or {first + label: label for label in range(num)}
    is_told = bool(classes.values or first)
    if like is not None and (is_told or num != 2 or like.numbers[0] != 0):
        known = np.flatnonzero(like.numbers != UNKNOWN).tolist()
        meaning, is_told = {value: int(like.numbers[value]) for value in known}, True
    if classes.colors:
        told = meaning if is_told else {}
        levels, message, is_error = levels_of_classes(contents, classes, ignored, told)
        if message:
            level: Level = 'error' if is_error else 'note'
            where = some('label map', list(contents))
            findings.append(Finding(level, folder, where, message))
        if is_error:
            return meaning, findings, {}
        meaning, is_told = levels or meaning, is_told or bool(levels)
    meaning |= dict.fromkeys(ignored, IGNORE)
    meaning.setdefault(IGNORE, IGNORE)
    if first:
        message = f"0 means no label, as was said: 1 is '{names_of[0]}'"
        findings.append(Finding('repaired', folder, '', message))
    unknown = [value for value in found if value not in meaning and value != HUGE]
    is_free = not any(0 < value <= num for value in ignored)
    others = [value for value in found if value and value not in ignored]

    def showing(*values: int) -> list[str]:
        return [name for name, shown in values_of.items() if not shown.isdisjoint(values)]

    def ask(message: str, label_maps: Sequence[str]) -> None:
        findings.append(Finding('error', folder, some('label map', label_maps), message))

    if is_told:
        pass
    elif num == 2 and found[0] == 0 and len(others) == 1 and others[0] > 1:
        meaning[others[0]], unknown = 1, []
        message = f"nothing but 0 and {others[0]}: {others[0]} is taken for '{names_of[1]}'"
        findings.append(Finding('repaired', folder, '', message))
    elif (
        {1, IGNORE} <= set(others)
        and num == 2
        and (alone := [name for name in showing(IGNORE) if 1 not in values_of[name]])
    ):
        lines = f"'0 {names_of[0]}', '1 {names_of[1]}' and '255 {names_of[1]}'"
        message = (
            f'has 255 without 1, others have 1: --ignore 255 if 255 means no label; if both are '
            f"'{names_of[1]}', --classes FILE with the lines {lines}"
        )
        ask(message, alone)
    elif others == [IGNORE] and 0 in found:
        message = (
            f'nothing but 0 and 255, and --classes has {num} names: name the two classes that '
            'label maps show, or give the numbers with --values'
        )
        findings.append(Finding('error', folder, '', message))
    elif 0 not in found and unknown == [num] and like is None and is_free:
        meaning |= {label + 1: label for label in range(num)}
        del meaning[0]
        unknown = []
        message = f"classes are numbered from 1: 1 is '{names_of[0]}'"
        findings.append(Finding('repaired', folder, '', message))
    elif num in unknown and 0 in found:  # all at once: leaving out some maps would settle nothing
        more = ', '.join(map(str, unknown[1 : NAMED + 1]))
        message = (
            f'has the values 0 to {num}{" and " * bool(more)}{more}, but --classes has {num} '
            'names: give the number of each class with --values; or, if 0 is the background, name '
            'it first; if 0 means no label, --ignore 0'
        )
        ask(message, showing(num))
        unknown = []
    elif (
        0 not in found
        and not unknown
        and like is None
        and (used := [value for value in others if meaning.get(value, IGNORE) != IGNORE])
    ):
        every = f'$(seq 0 {num - 1})' if num > NAMED else ' '.join(map(str, range(num)))
        message = (
            f'has no 0, and nothing above {used[-1]}, for {num} names: --ignore 0 if 1 is '
            f"'{names_of[0]}'; --values {every} if 0 is, and no pixel shows it"
        )
        ask(message, list(contents))
    if like is not None and not classes.values and like.numbers[0] < num and 0 not in found:
        message = (
            f"has no 0, which is '{names_of[like.numbers[0]]}' in the label maps to train on: if "
            'these are numbered from 1, number all of them alike'
        )
        findings.append(Finding('warning', folder, '', message))
    if HUGE in found and HUGE not in meaning:
        meaning[HUGE] = IGNORE
        findings.append(Finding('repaired', folder, '', '65535 is taken for no label'))
    if not unknown:
        return meaning, findings, {}
    shown = ', '.join(map(str, unknown[:NAMED])) + (', ...' if len(unknown) > NAMED else '')
    message = (
        f'has the values {shown}, which no class has: --values gives the number of each class, '
        'in the order of --classes, and --ignore those that mean no label'
    )
    if like is not None:
        message = f'has the values {shown}, which the label maps to train on do not have'
    return meaning, findings, dict.fromkeys(showing(*unknown), message)
