"""Atomic file writes: a file is there as a whole or not at all."""

import errno
import json
import os
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, NamedTuple

SUFFIX = '.partial'


class FileIdentity(NamedTuple):
    """What tells whether a file is still the same.

    Attributes:
        path: of the file.
        size: in bytes.
        changed: time of its last change, in nanoseconds.
    """

    path: str
    size: int
    changed: int


def file_identity(path: str) -> FileIdentity | None:
    """Identity of a file; None if there is none."""
    try:
        status = os.stat(path)
    except (OSError, ValueError):  # the latter of a name that no file can have
        return None
    return FileIdentity(path, status.st_size, status.st_mtime_ns)


@contextmanager
def atomic_write(path: Path, mode: str = 'w') -> Iterator[IO]:
    """Open a temporary file that replaces ``path`` on success.

    The content is flushed to the disk first: after a loss of power either the old or the new file
    exists, complete. Several processes may write the same file, on other machines too: the last
    one wins.

    Args:
        path: file to write; its folder is created.
        mode: ``'w'`` for text, ``'wb'`` for bytes.

    Raises:
        IsADirectoryError: if ``path`` is a folder.
        NotADirectoryError: if its folder is a file.
    """
    if path.is_dir():
        raise IsADirectoryError(f'{path} is a folder: name a file to write')
    if path.parent.is_file():
        raise NotADirectoryError(f'{path.parent} is a file: name a folder to write to')
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f'.{path.name}.{uuid.uuid4().hex[:8]}{SUFFIX}')
    try:
        with temporary.open(mode) as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
        _sync_folder(path.parent)
    finally:
        temporary.unlink(missing_ok=True)


def write_json(path: Path, content: object, *, indent: int | None = None, **options: Any) -> None:
    """Write JSON with :func:`atomic_write`; a failure leaves the old file unchanged.

    Args:
        path: file to write; its folder is created.
        content: input of :func:`json.dumps`.
        indent: spaces per level; None: all in one line.
        **options: other options of :func:`json.dumps`, such as ``default``.
    """
    text = json.dumps(content, indent=indent, **options)
    with atomic_write(path) as file:
        file.write(text)


def remove_partial(folder: Path, pattern: str) -> None:
    """Remove the temporary files of processes that were killed inside :func:`atomic_write`.

    Args:
        folder: folder to search.
        pattern: pattern of the final file names, such as ``'iter_*.pth'``.
    """
    for path in folder.glob(f'.{pattern}.*{SUFFIX}'):
        path.unlink(missing_ok=True)


def _sync_folder(folder: Path) -> None:
    """Flush the folder's entries to the disk, if the file system supports it."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno not in (errno.EINVAL, errno.ENOTSUP):
            raise
    finally:
        os.close(descriptor)
