"""Keep the settings of the results in a folder, and refuse to mix them with others."""

import json
from pathlib import Path

from .files import write_json

NAMED = 5  # number of differing settings in a message


def guard_settings(folder: Path, settings: dict, *, option: str = '--work-dir') -> None:
    """Write the settings of a folder's results, or compare them with those written before.

    Args:
        folder: created if missing; the settings go to its ``settings.json``.
        settings: plain values that JSON can represent.
        option: of the command that names the folder, for the message.

    Raises:
        ValueError: if settings differ; the message lists them with their values.
    """
    settings = json.loads(json.dumps(settings))  # tuples become lists, as they do when read back
    path = folder / 'settings.json'
    remedy = f'choose another folder ({option}), or remove this one'
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
            f'{folder} was started with other settings ({"; ".join(differences[:NAMED])}{more}): '
            f'{remedy}'
        )


def _leaves(settings: dict, prefix: str = '') -> dict[str, object]:
    """Flatten nested dicts to values by dotted key."""
    leaves: dict[str, object] = {}
    for key, value in settings.items():
        if isinstance(value, dict) and value:
            leaves |= _leaves(value, f'{prefix}{key}.')
        else:
            leaves[prefix + key] = value
    return leaves
