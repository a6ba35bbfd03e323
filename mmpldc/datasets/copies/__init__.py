"""Copies of images: one image must not be in two sets, whatever its name and format."""

import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np

from .equal_files import find_equal_files
from .roboflow import find_versions, group_versions
from .same_picture import find_same_pictures

How = Literal['equal', 'stored anew', 'version']
Find = Callable[[Sequence[str], Sequence[str]], dict[str, str]]

__all__ = [
    'Copy',
    'How',
    'find_copies',
    'find_equal_files',
    'find_same_pictures',
    'find_versions',
    'group_copies',
    'group_names',
]


class Copy(NamedTuple):
    """An image that is another one.

    Attributes:
        path: of the copy.
        original: path of the other one.
        how: 'equal' bytes; the same picture, 'stored anew'; or a 'version' that Roboflow made.
    """

    path: str
    original: str
    how: How


def find_copies(
    paths: Sequence[str],
    originals: Sequence[str],
    *,
    equal_only: bool = False,
    most_pictures: int | None = None,
) -> list[Copy]:
    """Images that are others once more.

    Args:
        paths: of images that are to differ from the others, without symbolic links. A path that
            is among the originals is that image, no copy of it.
        originals: paths of those others.
        equal_only: look for equal bytes only. That reads files of equal size, the other kinds
            decode every image.
        most_pictures: look for pictures that were stored anew among so many of ``paths`` at most,
            spread evenly over them; None: among all.

    Returns:
        The copies, in the order of ``paths``.
    """
    known = set(originals)
    paths = [path for path in dict.fromkeys(paths) if path not in known]
    found: dict[str, Copy] = {}
    kinds: dict[How, Find] = {'equal': find_equal_files}
    if not equal_only:
        kinds |= {'stored anew': find_same_pictures, 'version': find_versions}
    for how, find in kinds.items():
        left = [path for path in paths if path not in found]
        if how == 'stored anew' and most_pictures is not None and len(left) > most_pictures:
            left = [left[row] for row in np.linspace(0, len(left) - 1, most_pictures).astype(int)]
        found |= {
            path: Copy(path, original, how) for path, original in find(left, originals).items()
        }
    return [found[path] for path in paths if path in found]


def group_copies(paths: Sequence[str]) -> dict[str, str]:
    """Images that are others of the same list once more, Roboflow's versions by their names.

    Args:
        paths: of images, without symbolic links.

    Returns:
        Each such path to the first one, in order, of those that show the same.
    """
    places = {path: place for place, path in enumerate(dict.fromkeys(paths))}
    first = {path: path for path in places}

    def first_of(path: str) -> str:
        while first[path] != path:
            path = first[path]
        return path

    for find in (find_equal_files, find_same_pictures, find_versions, _of_one_source):
        for path, original in find(list(places), list(places)).items():
            own, other = sorted((first_of(path), first_of(original)), key=places.__getitem__)
            first[other] = own
    return {path: first_of(path) for path in places if first_of(path) != path}


def _of_one_source(paths: Sequence[str], originals: Sequence[str]) -> dict[str, str]:
    return group_versions(paths)


def group_names(folder: Path, names: Sequence[str]) -> dict[str, str]:
    """As :func:`group_copies`, by names below a folder, several of which may link to one file."""
    paths = {name: os.path.realpath(folder / name) for name in names}
    group = group_copies(list(paths.values()))
    first: dict[str, str] = {}
    for name, path in paths.items():
        first.setdefault(group.get(path, path), name)
    same = {name: first[group.get(path, path)] for name, path in paths.items()}
    return {name: other for name, other in same.items() if name != other}
