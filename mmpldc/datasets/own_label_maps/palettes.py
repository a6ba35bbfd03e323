"""Whether the numbers of a folder's palette images are their indices or their grey levels."""

from collections.abc import Mapping, Sequence

import numpy as np

from ..checks.findings import Finding, some
from ..label_maps import IGNORE
from .classes import Classes, Color
from .numbering import UNKNOWN, Numbering
from .reading import Contents

Shown = dict[int, dict[Color, str]]
BLACK = (0, 0, 0)
TRAINING = 'of those to train on'
REMEDY = (
    "give --classes a file with a line 'R G B name' for each class, or --values if the indices "
    'are the numbers'
)


def settle_palettes(
    contents: Mapping[str, Contents],
    classes: Classes,
    ignored: Sequence[int],
    folder: str,
    like: Numbering | None = None,
) -> tuple[dict[str, Contents], bool, list[Finding]]:
    """Read palettes by grey level where that must be meant, else by index.

    A program that reduces the colours of an image, such as Pillow's ``quantize``, orders them as
    it likes.

    Args:
        contents, classes, ignored, folder, like: see :func:`~.numbering.decide`.

    Returns:
        The contents, whether palettes are read by grey level, and what to say; an error if the
        order of the colours was chosen by a program, and nobody said what they mean.
    """
    palettes = {
        name: one.palette
        for name, one in contents.items()
        if any(color != (index,) * 3 for index, color in one.palette.items())
    }
    shown = _shown(palettes)
    known = like.palette if like is not None else {}
    of_training = {index: color for index, color in known.items() if index in shown}
    no_label = {IGNORE, *ignored}
    where, message = _doubt(_shown({**palettes, TRAINING: of_training}), no_label)
    is_blank = any(len(set(one.values())) < len(one) for one in palettes.values())
    if not is_blank and _is_by_grey(shown, classes, ignored, like, is_doubtful=bool(message)):
        message = 'grey palettes in an order of their own: grey levels are taken for numbers'
        read = {name: _of_levels(one) for name, one in contents.items()}
        return read, True, [Finding('repaired', folder, some('label map', list(palettes)), message)]
    if message and not classes.values:
        return dict(contents), False, [Finding('error', folder, where, f'{message}: {REMEDY}')]
    return dict(contents), False, []


def _shown(palettes: Mapping[str, Mapping[int, Color]]) -> Shown:
    """Index -> its colours, each with the first label map that has it."""
    shown: Shown = {}
    for name, palette in palettes.items():
        for index, color in palette.items():
            shown.setdefault(index, {}).setdefault(color, name)
    return shown


def _doubt(shown: Shown, no_label: set[int]) -> tuple[str, str]:
    """Label maps that tell that a program chose the order of the colours, and why; or ''."""
    used = {index: of for index, of in sorted(shown.items()) if index not in no_label}
    for index, of in used.items():
        if len(of) > 1:
            (first, at), (second, there) = list(of.items())[:2]
            if there == TRAINING:  # it comes last
                return some('label map', [at]), (
                    f'index {index} of the palette is {first}, {second} in the label maps to train '
                    'on: each folder numbers its colours by itself'
                )
            return some('label map', [at, there]), (
                f'index {index} of the palette is {first} in one and {second} in the other: each '
                'file numbers its colours by itself'
            )
    black = [index for index, of in used.items() if BLACK in of]
    if black and black[0] and 0 in used:
        return some('label map', [used[black[0]][BLACK]]), (
            f'index {black[0]} of the palette is black, 0 is {next(iter(used[0]))}, as where a '
            'program chose the order'
        )
    return '', ''


def _is_by_grey(
    shown: Shown,
    classes: Classes,
    ignored: Sequence[int],
    like: Numbering | None,
    *,
    is_doubtful: bool,
) -> bool:
    """Whether palettes have nothing but grey, and its levels are the numbers."""
    pairs = [(index, color) for index, of in shown.items() for color in of]
    if any(len(set(color)) > 1 for _, color in pairs):
        return False
    if all(index == color[0] for index, color in pairs):
        return False
    levels = {color[0] for _, color in pairs}
    is_binary = len(classes.names) == 2 and not classes.values and levels <= {0, IGNORE}
    return _are_numbers(levels, classes, ignored, like) or (is_binary and is_doubtful)


def _are_numbers(
    levels: set[int], classes: Classes, ignored: Sequence[int], like: Numbering | None
) -> bool:
    """Whether grey levels are numbers of classes, and not only black and white."""
    numbers = set(classes.values)
    if like is not None:
        numbers |= set(np.flatnonzero(like.numbers < UNKNOWN).tolist())
    num, least = len(classes.names), min(levels)
    numbers = numbers or set(range(bool(least), num + bool(least)))
    if levels - {0, IGNORE} or IGNORE in numbers or levels == {0}:
        return levels <= numbers | {IGNORE, *ignored}
    return False


def _of_levels(one: Contents) -> Contents:
    """Grey levels and their counts instead of indices."""
    if not one.palette:
        return one
    levels = [one.palette.get(value, (value,))[0] for value in one.values.tolist()]
    values, group = np.unique(np.array(levels, np.int64), return_inverse=True)
    counts = np.bincount(group, weights=one.counts).astype(np.int64)
    return one._replace(values=values, counts=counts, palette={})
