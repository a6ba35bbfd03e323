"""Reading COCO-format files."""

import json
from pathlib import Path


def read_coco(path: Path, *lists: str) -> dict:
    """Content of a COCO-format file.

    Args:
        path: of the file.
        *lists: what it must have beside ``images``.

    Raises:
        ValueError: if the file is not JSON or lacks a list; ``mmpldc.datasets.checks`` looks at
            what is in them.
    """
    try:
        coco = json.loads(path.read_bytes())
    except json.JSONDecodeError as error:
        raise ValueError(f'{path} is not valid JSON: {error}') from None
    for name in ('images', *lists):
        if not isinstance(coco, dict) or not isinstance(coco.get(name), list):
            raise ValueError(f"{path} is not a COCO-format file: it has no list '{name}'")
    return coco
