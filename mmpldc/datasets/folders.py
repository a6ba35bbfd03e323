"""Files in the folders of a user, without those that systems and tools keep there."""

import os
from collections.abc import Iterator
from pathlib import Path

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


def files_below(root: Path) -> Iterator[str]:
    """Files that are there, links followed, relative to ``root`` and with ``/``; no pipe."""
    for folder, folders, files in os.walk(root, followlinks=True):
        folders[:] = [
            name
            for name in folders
            if not name.startswith('.')
            and name.casefold() not in SYSTEM_FOLDERS
            and not _leads_back(os.path.join(folder, name))
        ]
        inside = Path(os.path.relpath(folder, root)).as_posix()
        for name in files:
            if not name.startswith('.') and os.path.isfile(os.path.join(folder, name)):
                yield name if inside == '.' else f'{inside}/{name}'


def _leads_back(folder: str) -> bool:
    """Whether a folder is a link to one that it is in."""
    if not os.path.islink(folder):
        return False
    here, there = os.path.realpath(os.path.dirname(folder)), os.path.realpath(folder)
    return os.path.commonpath([here, there]) == there


def suffix_of(name: str) -> str:
    """Suffix of a file in small letters, with its dot."""
    return os.path.splitext(name)[1].lower()
