"""The settings that the results in a folder are made with."""

import json
from pathlib import Path

from .files import write_json

NAMED = 5  # of the settings that differ


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
    now, was = _leaves(settings), _leaves(before)
    differences = [
        f'{key} is {now.get(key)!r} now, was {was.get(key)!r}'
        for key in sorted({*now, *was})
        if now.get(key) != was.get(key)
    ]
    if differences:
        more = f'; and {len(differences) - NAMED} more' if len(differences) > NAMED else ''
        raise ValueError(
            f'{folder} was begun with other settings ({"; ".join(differences[:NAMED])}{more}): '
            f'{remedy}'
        )


def _leaves(settings: dict, prefix: str = '') -> dict[str, object]:
    """Values by dotted key, out of dicts within dicts."""
    leaves: dict[str, object] = {}
    for key, value in settings.items():
        if isinstance(value, dict) and value:
            leaves |= _leaves(value, f'{prefix}{key}.')
        else:
            leaves[prefix + key] = value
    return leaves
