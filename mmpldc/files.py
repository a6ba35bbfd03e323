"""Files that are there as a whole or not at all."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO


@contextmanager
def replacing(path: Path, mode: str = 'w') -> Iterator[IO]:
    """A file under another name that takes ``path``'s place if nothing went wrong.

    Args:
        path: of the file; its folder is made.
        mode: ``'w'`` for text, ``'wb'`` for bytes.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f'.{path.name}.{os.getpid()}')
    try:
        with temporary.open(mode) as file:
            yield file
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)
