"""Atomic file writes: a file is there as a whole or not at all."""

import errno
import json
import os
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

SUFFIX = '.partial'


@contextmanager
def atomic_write(path: Path, mode: str = 'w') -> Iterator[IO]:
    """A file under another name that takes ``path``'s place if nothing went wrong.

    It has reached the disk by then: after a loss of power either file is there, as a whole. Several
    processes may write the same file, on other machines too: the last one's stays.

    Args:
        path: of the file; its folder is made.
        mode: ``'w'`` for text, ``'wb'`` for bytes.
    """
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
    """Write JSON by :func:`atomic_write`; what cannot be written leaves the old file.

    Args:
        path: of the file; its folder is made.
        content: what :func:`json.dumps` takes.
        indent: spaces a level; None: all in one line.
        **options: others of :func:`json.dumps`, such as ``default``.
    """
    text = json.dumps(content, indent=indent, **options)
    with atomic_write(path) as file:
        file.write(text)


def remove_partial(folder: Path, pattern: str) -> None:
    """Remove what processes that were killed inside :func:`atomic_write` have left.

    Args:
        folder: where to look.
        pattern: of the names that the files should have got, such as ``'iter_*.pth'``.
    """
    for path in folder.glob(f'.{pattern}.*{SUFFIX}'):
        path.unlink(missing_ok=True)


def _sync_folder(folder: Path) -> None:
    """Write the folder's entries to the disk, where the file system can."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno not in (errno.EINVAL, errno.ENOTSUP):
            raise
    finally:
        os.close(descriptor)
