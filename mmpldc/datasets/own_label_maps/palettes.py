"""Whether the numbers of a folder's palette images are their indices or their grey levels."""

from collections.abc import Mapping, Sequence

import numpy as np

from ..checks.findings import Finding, some
from ..label_maps import IGNORE
from .classes import Classes, Color
from .numbering import UNKNOWN, Numbering
from .reading import Contents

BLACK = (0, 0, 0)
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
    palettes = {name: one.palette for name, one in contents.items() if one.palette}
    no_label = {IGNORE, *ignored}
    colors: dict[int, dict[Color, str]] = {}
    for name, palette in palettes.items():
        for index, color in palette.items():
            colors.setdefault(index, {}).setdefault(color, name)
    used = {index: list(of) for index, of in colors.items() if index not in no_label}
    differing = [index for index, of in sorted(used.items()) if len(of) > 1]
    black = [index for index, of in used.items() if index and BLACK in of]
    is_moved = bool(black and 0 in used and BLACK not in used[0])
    levels = {red for of in colors.values() for red, green, blue in of if red == green == blue}
    is_grey = all(len(set(color)) == 1 for of in colors.values() for color in of)
    is_level = all(color == (index,) * 3 for index, of in colors.items() for color in of)
    is_binary = len(classes.names) == 2 and not classes.values and levels <= {0, IGNORE}
    is_blank = any(len(set(one.values())) < len(one) for one in palettes.values())
    if not is_grey or is_level or is_blank:
        by_grey = False
    else:
        by_grey = _are_numbers(levels, classes, ignored, like) or (
            is_binary and bool(differing or is_moved)
        )
    if by_grey:
        message = 'grey palettes in an order of their own: grey levels are taken for numbers'
        read = {name: _of_levels(one) for name, one in contents.items()}
        where = some('label map', list(palettes))
        return read, True, [Finding('repaired', folder, where, message)]
    message = ''
    if differing and not classes.values:
        index = differing[0]
        (first, at), (second, there) = list(colors[index].items())[:2]
        where = some('label map', [at, there])
        message = (
            f'index {index} of the palette is {first} in one and {second} in the other: each file '
            f'numbers its colours by itself: {REMEDY}'
        )
    elif is_moved and not classes.values:
        where = some('label map', [colors[black[0]][BLACK]])
        message = (
            f'index {black[0]} of the palette is black, 0 is {used[0][0]}, as where a program '
            f'chose the order: {REMEDY}'
        )
    return dict(contents), False, [Finding('error', folder, where, message)] if message else []


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
