"""Files that the tools write: all or none of them, and never over those of others."""

import hashlib
import json
from collections.abc import Iterable, Mapping
from contextlib import ExitStack
from pathlib import Path

from mmpldc.utils.files import atomic_write

from .coco_files import read_json

MARK = 'mmpldc'  # field of info, with a digest of all else in a file of our own


def own_text(coco: dict) -> str:
    """A data set as the text of a file that :func:`refuse_foreign` knows again."""
    given = coco.get('info')
    info = dict(given) if isinstance(given, dict) else {}
    info.pop(MARK, None)
    return json.dumps(coco | dict(info=info | {MARK: _digest(coco | dict(info=info))}))


def refuse_foreign(paths: Iterable[Path], *, option: str) -> None:
    """Refuse to write over files that were not written by :func:`own_text`, or were edited since.

    Args:
        paths: that will be written.
        option: that names their folder.

    Raises:
        ValueError: if there is such a file.
    """
    for path in paths:
        if path.exists() and not _is_own(path):
            raise ValueError(
                f'{path} is there already, and was not written by this tool, or was edited since: '
                f'choose another {option}, or move the file away'
            )


def _is_own(path: Path) -> bool:
    try:
        coco = read_json(path)
    except (OSError, ValueError):
        return False
    info = coco.get('info') if isinstance(coco, dict) else None
    if not isinstance(info, dict):
        return False
    mark = info.pop(MARK, None)
    return mark == _digest(coco)


def _digest(coco: dict) -> str:
    return hashlib.blake2b(json.dumps(coco).encode(), digest_size=8).hexdigest()


def write_all(texts: Mapping[Path, str]) -> None:
    """Write several files, all of them or none."""
    with ExitStack() as stack:
        files = [stack.enter_context(atomic_write(path)) for path in texts]
        for file, text in zip(files, texts.values(), strict=True):
            file.write(text)
