"""Write checkpoints atomically."""

import os
import re
import shutil
from pathlib import Path

from mmengine.fileio import LocalBackend, register_backend

from mmpldc.utils.files import atomic_write, remove_partial

MEGABYTE = 1 << 20


@register_backend('atomic')
class AtomicBackend(LocalBackend):
    """mmengine's local files, with atomic writes.

    A killed process or a full disk neither leaves a truncated file nor destroys an existing one.
    Select it by ``backend_args=dict(backend='atomic')`` of ``CheckpointHook``.
    """

    def put(self, obj: bytes, filepath: str | Path) -> None:
        """Write bytes; ``filepath`` always has either its complete old or complete new content.

        First removes what killed processes left while they wrote a file of the same kind (the same
        name except for its numbers).

        Raises:
            OSError: with the file, its size and the free space in the message.
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
        f'{path} was not written ({reason}): {needed}. Earlier files are '
        'intact: free some space, then continue with --resume'
    )
