"""The settings that the results in a folder are made with."""

import json
from pathlib import Path

from .files import write_json


def guard_settings(folder: Path, settings: dict) -> None:
    """Write down what a folder's results are made with, or compare it with what was written.

    Args:
        folder: made if it is not there; the settings go to its ``settings.json``.
        settings: plain values, as JSON has them.

    Raises:
        ValueError: naming the settings that differ, with their values.
    """
    settings = json.loads(json.dumps(settings))  # tuples become lists, as they come back
    path = folder / 'settings.json'
    remedy = 'choose another folder (--work-dir), or remove this one'
    if not path.exists():
        write_json(path, settings, indent=2)
        return
    try:
        before = json.loads(path.read_text())
    except json.JSONDecodeError as error:
        raise ValueError(f'{path} is damaged ({error}): {remedy}') from None
    differences = [
        f'{key} is {settings.get(key)!r} now, was {before.get(key)!r}'
        for key in sorted({*settings, *before})
        if settings.get(key) != before.get(key)
    ]
    if differences:
        raise ValueError(
            f'{folder} was begun with other settings ({"; ".join(differences)}): {remedy}'
        )
