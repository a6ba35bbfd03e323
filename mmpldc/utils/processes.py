"""For tools that start other tools: one at a time in a folder, and none left behind."""

import fcntl
import signal
import sys
from pathlib import Path
from typing import IO

_LOCKED: dict[Path, IO[str]] = {}


def end_children_on_sigterm() -> None:
    """Make SIGTERM end this process as an exception, so that ``finally`` can end its children.

    To be called in the main thread. The exit status is 143, as without this call.
    """
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))


def lock_folder(folder: Path, work: str) -> None:
    """Keep other processes from the same work in a folder, until this process ends.

    Args:
        folder: it is made if need be; ``.lock`` in it is locked.
        work: in the message, such as ``'comparison'``.

    Raises:
        SystemExit: if another process has the lock.
    """
    folder.mkdir(parents=True, exist_ok=True)
    path = (folder / '.lock').resolve()
    if path in _LOCKED:
        return
    file = path.open('w')
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise SystemExit(
            f'another {work} is running in {folder}: wait for it, or end it first'
        ) from None
    except OSError:  # a file system without locks
        pass
    _LOCKED[path] = file
