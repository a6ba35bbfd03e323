"""The keys of a config, and those that a wrong one may be meant for."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from difflib import get_close_matches
from typing import Any

NAMED = 3  # keys that a message names
# Ratios of difflib: what a message proposes, and what is taken for misspelt.
CLOSE = 0.7
SURE = 0.8


def leaves(value: Any, prefix: str = '') -> Iterator[tuple[str, Any]]:
    """All dotted keys below a part of a config, sections too, with their values."""
    parts: Iterable[tuple[Any, Any]] = ()
    if isinstance(value, Mapping):
        parts = value.items()
    elif isinstance(value, list | tuple) and any(isinstance(one, Mapping) for one in value):
        parts = enumerate(value)
    for name, part in parts:
        key = f'{prefix}{name}'
        yield key, part
        yield from leaves(part, f'{key}.')


def similar(key: str, known: Iterable[str], *, cutoff: float = CLOSE) -> str | None:
    """The known key that is most like another one, if one is."""
    names = {name.lower().replace('_', ''): name for name in known if isinstance(name, str)}
    found = get_close_matches(key.lower().replace('_', ''), names, n=1, cutoff=cutoff)
    return names[found[0]] if found else None


def corrected(
    parts: Sequence[str], tree: Mapping, known: Callable[[Sequence[str], Any], Iterable[str]]
) -> str | None:
    """A key with each misspelt part replaced, or None if one is like nothing.

    Args:
        parts: of the key.
        tree: the config's.
        known: lists the keys of a section by its path and content.
    """
    node: Any = tree
    path: list[str] = []
    for part in parts:
        if isinstance(node, list | tuple):
            own = part if part.isdigit() and int(part) < len(node) else None
        elif isinstance(node, Mapping):
            names = known(path, node)
            own = part if part in names else similar(part, names)
        else:
            own = None if path == list(parts[: len(path)]) else part
        if own is None:
            return None
        path.append(own)
        node = _child(node, own)
    return '.'.join(path)


def _child(node: Any, part: str) -> Any:
    if isinstance(node, Mapping):
        return node.get(part)
    return node[int(part)] if isinstance(node, list | tuple) else None


def same_end(parts: Sequence[str], keys: Mapping[str, Any], value: Any = None) -> list[str]:
    """Keys that end as another one does: in all of its parts, or at least in the last one.

    Args:
        parts: of the other key.
        keys: the config's, with their values.
        value: keys of this value come alone, if there are any; None: of any value.
    """
    for end in ('.'.join(parts), parts[-1]):
        found = [key for key in keys if key == end or key.endswith(f'.{end}')]
        equal = [key for key in found if value is not None and keys[key] == value]
        if found:
            return equal or found
    near = similar(parts[-1], {key.rpartition('.')[2] for key in keys}, cutoff=SURE)
    return [] if near is None else same_end([near], keys, value)


def same_value(value: Any, keys: Mapping[str, Any]) -> list[str]:
    """Keys whose value came from a variable: a text, or more than one number."""
    if not isinstance(value, str | list | tuple) or not value:
        return []
    return [key for key, own in keys.items() if own == value and type(own) is type(value)]


def listed(keys: Sequence[str]) -> str:
    """``'a'``, ``'a and b'``, or three keys and how many more."""
    if len(keys) > NAMED:
        return f'{", ".join(keys[:NAMED])} and {len(keys) - NAMED} more'
    return ' and '.join(keys) if len(keys) < NAMED else f'{keys[0]}, {keys[1]} and {keys[2]}'
