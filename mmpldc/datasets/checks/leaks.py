"""Images that more than one set has."""

import os
import re
from collections.abc import Hashable, Iterable, Sequence
from itertools import combinations
from typing import NamedTuple

from ..copies import Copy, How, find_copies, find_equal_files
from .annotations import EVALUATED, Role
from .findings import Finding, Level, some

# Of two sets: up to so many, images are decoded and compared in any case (some 5 s).
MOST_COMPARED = 5000
SAME: dict[How, str] = {
    'equal': '',
    'stored anew': 'the same picture, stored anew, resized or mirrored, is ',
    'version': 'versions of one image, by their names and pictures, are ',
}


class Listed(NamedTuple):
    """The images of one set.

    Attributes:
        name: of the set.
        role: what it is for.
        file: its annotation file.
        image_ids: N ids, None where missing.
        file_names: N names, None where missing.
        paths: N paths without symbolic links, None where the image is not there; None if they are
            not to be looked for.
    """

    name: str
    role: Role
    file: str
    image_ids: list
    file_names: list[str | None]
    paths: list[str | None] | None


def check_leaks(
    sets: Sequence[Listed], *, all_contents: bool = False, keep_copies: bool = False
) -> list[Finding]:
    """Look for one image in two sets, whatever its names.

    Files with the same bytes are found in any case, and so are copies under other names within an
    annotated set. Pictures that were stored anew are found in sets of together 5,000 images, or
    whatever their number with ``all_contents``: that decodes every image. Where the images cannot
    be looked at, equal names or ids raise a suspicion.

    Args:
        sets: of a run.
        all_contents: see above.
        keep_copies: the user looked at what was stored anew in the unlabelled set, and wants it:
            a warning. Files with the bytes of evaluated images stay an error.

    Returns:
        One finding for each pair of sets and kind of copies; an error if one of the sets is
        trained on.
    """
    findings = []
    for listed in sets:
        if listed.paths is not None and listed.role != 'unlabeled':
            findings += _describe_copies(listed)
    for first, second in combinations(sets, 2):
        if first.paths is None or second.paths is None:
            suspects = _join(map(_base, first.file_names), map(_base, second.file_names))
            suspects |= _join(_numbers(first), _numbers(second))
            findings += _describe_suspects(first, second, sorted(suspects))
            continue
        pairs: dict[How, list[tuple[int, int]]] = {how: [] for how in SAME}
        pairs['equal'] = list(_join(first.paths, second.paths))
        own, others = (
            {path: row for row, path in enumerate(paths)} for paths in (first.paths, second.paths)
        )
        for copy in _copies(first, second, all_contents):
            pairs[copy.how].append((own[copy.original], others[copy.path]))
        for how, found in pairs.items():
            findings += _describe(first, second, sorted(found), how, keep_copies)
    return findings


def _copies(first: Listed, second: Listed, all_contents: bool) -> list[Copy]:
    originals = [path for path in first.paths or () if path is not None]
    paths = [path for path in second.paths or () if path is not None]
    is_small = len(originals) + len(paths) <= MOST_COMPARED
    return find_copies(paths, originals, equal_only=not (is_small or all_contents))


def _join(first: Iterable[Hashable], second: Iterable[Hashable]) -> set[tuple[int, int]]:
    """Pairs of rows with the same key, None apart."""
    rows = {key: row for row, key in enumerate(second) if key is not None}
    return {(row, rows[key]) for row, key in enumerate(first) if key in rows}


def _base(name: str | None) -> str | None:
    """The file's name without folders."""
    return name and name.rsplit('/', 1)[-1]


def _numbers(listed: Listed) -> list[tuple[object, int] | None]:
    """Id, and the number at the end of the name: COCO of 2014 and 2017 have these in common."""
    digits = [re.search(r'(\d+)\.\w+$', name or '') for name in listed.file_names]
    return [
        (identity, int(found.group(1))) if found else None
        for identity, found in zip(listed.image_ids, digits, strict=True)
    ]


# ---------------------------------------------------------------- in words


def _describe(
    first: Listed, second: Listed, pairs: list[tuple[int, int]], how: How, keep_copies: bool
) -> list[Finding]:
    if not pairs:
        return []
    level: Level
    roles = {first.role, second.role}
    is_evaluated = bool(roles & set(EVALUATED))
    if first.role == second.role or {first.role, second.role} <= set(EVALUATED):
        level, advice = 'warning', 'make sure that this is meant'
    elif keep_copies and 'unlabeled' in roles and not (how == 'equal' and is_evaluated):
        level, advice = 'warning', 'kept, as --keep-all says: make sure that they differ'
    elif is_evaluated:
        level, advice = (
            'error',
            'it would be tested on what it was trained on; remove them from one',
        )
    else:
        level, advice = 'error', f'remove them from the {second.name} set'
    where = some('image', _names(first, second, pairs))
    message = f'{SAME[how]}in both the {first.name} and the {second.name} set: {advice}'
    return [Finding(level, _files(first, second), where, message)]


def _describe_suspects(
    first: Listed, second: Listed, pairs: list[tuple[int, int]]
) -> list[Finding]:
    if not pairs:
        return []
    message = (
        f'equal names or ids in the {first.name} and the {second.name} set; whether the images are '
        'the same cannot be told without them: give their folders'
    )
    where = some('image', _names(first, second, pairs))
    return [Finding('warning', _files(first, second), where, message)]


def _files(first: Listed, second: Listed) -> str:
    return ', '.join(dict.fromkeys([first.file, second.file]))


def _names(first: Listed, second: Listed, pairs: list[tuple[int, int]]) -> list[str | None]:
    names = [(first.file_names[a], second.file_names[b]) for a, b in pairs]
    return [own if own == other else f'{own} = {other}' for own, other in names]


def _describe_copies(listed: Listed) -> list[Finding]:
    """Images of one set with the content of an earlier one."""
    paths = [path for path in listed.paths or () if path is not None]
    copies = [
        f'{os.path.basename(path)} = {os.path.basename(original)}'
        for path, original in find_equal_files(paths, paths).items()
    ]
    if not copies:
        return []
    message = 'the same content under several names: delete the copies'
    return [Finding('warning', listed.file, some('image', copies), message)]
