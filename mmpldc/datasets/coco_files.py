"""Reading and writing COCO-format files."""

import json
from pathlib import Path

from mmpldc.files import replacing


def read_coco(path: Path) -> dict:
    """Content of a COCO-format file.

    Raises:
        ValueError: if the file is not JSON or has no list ``images``; what else it must have
            differs, see ``mmpldc.datasets.checks``.
    """
    try:
        coco = json.loads(path.read_bytes())
    except json.JSONDecodeError as error:
        raise ValueError(f'{path} is not valid JSON: {error}') from None
    if not isinstance(coco, dict) or not isinstance(coco.get('images'), list):
        raise ValueError(f"{path} is not a COCO-format file: it has no list 'images'")
    return coco


def write_json(path: Path, content: object) -> None:
    """Write a file all or nothing: a killed run leaves what was there before."""
    with replacing(path) as file:
        file.write(json.dumps(content))
