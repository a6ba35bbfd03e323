"""Files in the folders of a user, without those that systems and tools keep there."""

import os
import warnings
from collections import deque
from pathlib import Path
from typing import NamedTuple

# Of file servers, recycle bins and archives; their names begin with no dot.
SYSTEM_FOLDERS = frozenset(
    {
        '#recycle',
        '#snapshot',
        '$recycle.bin',
        '@eadir',
        '@recently-snapshot',
        '@recycle',
        '__macosx',
        'lost+found',
        'system volume information',
    }
)


class Below(NamedTuple):
    """What lies below a folder; names are relative to it, with ``/``.

    Attributes:
        files: that are there, links followed; no pipe.
        dangling: links to what is not there.
        closed: folders that cannot be listed, each with the reason.
    """

    files: list[str]
    dangling: list[str]
    closed: dict[str, str]


def files_below(root: Path) -> list[str]:
    """Files that are there, as :func:`look_below` finds them; a warning counts what is not.

    Raises:
        NotADirectoryError: if ``root`` is a file.
    """
    if root.is_file():
        raise NotADirectoryError(
            f'{root} is not a folder, but a file: unpack it if it is an archive, or give the '
            'folder that it is in'
        )
    found = look_below(root)
    for kind, names, remedy in (
        ('links that lead nowhere', found.dangling, 'is a disk not mounted?'),
        ('folders that cannot be listed', list(found.closed), 'allow to read them'),
    ):
        if names:
            why = f' ({found.closed[names[0]]})' if names[0] in found.closed else ''
            warnings.warn(
                f'{root}: {kind} are left out: {len(names)}, such as {names[0]}{why}: {remedy}',
                stacklevel=1,  # however often a folder is looked at, it is said once
            )
    return found.files


def look_below(root: Path) -> Below:
    """All files below a folder, hidden ones and :data:`SYSTEM_FOLDERS` left out.

    Links are followed, but each folder is entered once, by the way without a link if there is one,
    and a link to what ``root`` or the link itself is in is passed over.
    """
    found = Below([], [], {})
    seen: set[str] = set()
    waiting, linked = [''], deque[str]()
    around = os.path.realpath(root)
    while waiting or linked:
        inside = waiting.pop() if waiting else linked.popleft()
        folder = os.path.join(root, inside)
        real = os.path.realpath(folder)
        if real in seen:
            continue
        seen.add(real)
        try:
            with os.scandir(folder) as listing:
                entries = sorted(listing, key=lambda entry: entry.name)
        except (FileNotFoundError, NotADirectoryError):
            continue
        except OSError as error:
            found.closed[inside or '.'] = error.strerror or str(error)
            continue
        for entry in entries:
            name = f'{inside}/{entry.name}' if inside else entry.name
            if entry.name.startswith('.'):
                continue
            kind = _kind(entry)
            if kind == 'nowhere':
                found.dangling.append(name)
            elif kind == 'file':
                found.files.append(name)
            elif kind == 'folder' and entry.name.casefold() not in SYSTEM_FOLDERS:
                if not entry.is_symlink():
                    waiting.append(name)
                elif not _holds(os.path.realpath(entry.path), real, around):
                    linked.append(name)
    return found


def _kind(entry: os.DirEntry) -> str:
    """``'file'``, ``'folder'``, ``'nowhere'`` of a link, or ``''``."""
    try:
        if entry.is_dir():
            return 'folder'
        if entry.is_file():
            return 'file'
        return 'nowhere' if entry.is_symlink() and not os.path.exists(entry.path) else ''
    except OSError:  # a link to itself, or one that may not be followed
        return 'nowhere'


def _holds(folder: str, *inside: str) -> bool:
    """Whether a folder is, or has in it, one of the others; paths without links."""
    return any(os.path.commonpath([folder, one]) == folder for one in inside)


def suffix_of(name: str) -> str:
    """Suffix of a file in small letters, with its dot."""
    return os.path.splitext(name)[1].lower()
