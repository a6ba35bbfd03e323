"""How checkpoints are written."""

import os
import re
import shutil
from pathlib import Path

from mmengine.fileio import LocalBackend, register_backend

from mmpldc.utils.files import atomic_write, remove_partial

MEGABYTE = 1 << 20


@register_backend('atomic')
class AtomicBackend(LocalBackend):
    """mmengine's local files, written under another name first.

    A process that is killed, or a disk that is full, leaves no truncated file and takes none away.
    Chosen by ``backend_args=dict(backend='atomic')`` of ``CheckpointHook``.
    """

    def put(self, obj: bytes, filepath: str | Path) -> None:
        """Write bytes; ``filepath`` has its old content or all of the new one at any time.

        What a process that was killed while writing a file of this kind (the name but for its
        numbers) has left behind is removed first.

        Raises:
            OSError: naming the file, its size and the free space.
        """
        path = Path(filepath)
        try:
            remove_partial(path.parent, re.sub(r'\d+', '*', path.name))
            with atomic_write(path, 'wb') as file:
                file.write(obj)
        except OSError as error:
            raise OSError(error.errno, _explain(error, path, len(obj))) from error


def _explain(error: OSError, path: Path, size: int) -> str:
    reason = str(error) if error.errno is None else os.strerror(error.errno)
    needed = f'it needs {size / MEGABYTE:,.1f} MB'
    if path.parent.is_dir():
        free = shutil.disk_usage(path.parent).free
        needed += f', {free / MEGABYTE:,.1f} MB are free in {path.parent} (a quota may allow less)'
    return (
        f'{path} was not written ({reason}): {needed}. Files written before are '
        'intact: make room, then go on with --resume'
    )
