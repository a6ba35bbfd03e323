"""Reading and writing COCO-format files."""

import json
from pathlib import Path

from mmpldc.utils.files import replacing


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


def write_json(path: Path, content: object) -> None:
    """Write a file all or nothing: a killed run leaves what was there before."""
    with replacing(path) as file:
        file.write(json.dumps(content))
