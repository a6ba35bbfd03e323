"""Images that more than one set has."""

import filecmp
import hashlib
import os
import re
from collections import defaultdict
from collections.abc import Hashable, Iterable, Sequence
from itertools import chain, combinations
from typing import NamedTuple

from .annotations import EVALUATED, Role
from .findings import Finding, Level, some
from .images import in_threads


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


def check_leaks(sets: Sequence[Listed], *, all_contents: bool = False) -> list[Finding]:
    """Look for one image in two sets.

    Sets may number their images alike: an equal name or id only raises a suspicion, which equal
    files confirm.

    Args:
        sets: of a run.
        all_contents: compare all images, not only the suspects. Finds copies under other names,
            also within a set, and reads each file that is as large as another.

    Returns:
        One finding for each pair of sets; an error if one of them is trained on.
    """
    seen = [listed for listed in sets if listed.paths is not None]
    digests = (
        _digests(chain.from_iterable(listed.paths or () for listed in seen)) if all_contents else {}
    )
    findings = []
    for listed in seen:
        findings += _describe_copies(listed, digests)
    for first, second in combinations(sets, 2):
        suspects = _join(map(_base, first.file_names), map(_base, second.file_names))
        suspects |= _join(_numbers(first), _numbers(second))
        if first.paths is None or second.paths is None:
            findings += _describe_suspects(first, second, sorted(suspects))
            continue
        common = _join(first.paths, second.paths)
        if all_contents:
            of_first, of_second = (
                [None if path is None else digests.get(path) for path in paths]
                for paths in (first.paths, second.paths)
            )
            common |= _join(of_first, of_second)
        else:
            common |= _with_equal_files(first, second, suspects - common)
        findings += _describe(first, second, sorted(common))
    return findings


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


def _with_equal_files(first: Listed, second: Listed, pairs: set) -> set[tuple[int, int]]:
    """Those pairs whose files have the same content; the sizes are compared first."""
    own, others = first.paths or [], second.paths or []
    files = {(a, b): (own[a], others[b]) for a, b in pairs}
    seen = {pair: (a, b) for pair, (a, b) in files.items() if a and b}
    equal = in_threads(
        lambda pair: filecmp.cmp(pair[0], pair[1], shallow=False), list(seen.values())
    )
    return {pair for pair, is_equal in zip(seen, equal, strict=True) if is_equal}


def _digests(paths: Iterable[str | None]) -> dict[str, bytes]:
    """Digest of the content of each file that has another one's size."""
    unique = sorted({path for path in paths if path is not None})
    by_size = defaultdict(list)
    for path, size in zip(unique, in_threads(os.path.getsize, unique), strict=True):
        by_size[size].append(path)
    shared = [path for group in by_size.values() if len(group) > 1 for path in group]
    return dict(zip(shared, in_threads(_digest, shared), strict=True))


def _digest(path: str) -> bytes:
    with open(path, 'rb') as file:
        return hashlib.blake2b(file.read()).digest()


# ---------------------------------------------------------------- in words


def _describe(first: Listed, second: Listed, pairs: list[tuple[int, int]]) -> list[Finding]:
    if not pairs:
        return []
    level: Level
    if first.role == second.role or {first.role, second.role} <= set(EVALUATED):
        level, advice = 'warning', 'make sure that this is meant'
    elif {first.role, second.role} & set(EVALUATED):
        level, advice = (
            'error',
            'it would be tested on what it was trained on; remove them from one',
        )
    else:
        level, advice = 'error', f'remove them from the {second.name} set'
    where = some('image', _names(first, second, pairs))
    message = f'in both the {first.name} and the {second.name} set: {advice}'
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


def _describe_copies(listed: Listed, digests: dict[str, bytes]) -> list[Finding]:
    """Images of one set with the content of an earlier one."""
    first: dict[bytes, str] = {}
    copies = []
    for path in dict.fromkeys(listed.paths or ()):
        if path in digests:
            original = first.setdefault(digests[path], path)
            if original != path:
                copies.append(f'{os.path.basename(path)} = {os.path.basename(original)}')
    if not copies:
        return []
    message = 'the same content under several names: delete the copies'
    return [Finding('warning', listed.file, some('image', copies), message)]
