"""Name a wrong key or type of a config in one line when the classes are built."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from mmengine.config import Config

from .accepted import accepted_arguments, classes_of, registered_names
from .nearest import similar

CALLED = r'(?:^|\s)(?:\w+\.)*?(\w+)(?:\.__init__)?\(\) '
UNEXPECTED = re.compile(CALLED + r"got an unexpected keyword argument '(\w+)'")
MISSING = re.compile(
    CALLED + r'missing \d+ required (?:keyword-only |positional )?arguments?: (.+)', re.S
)
UNKNOWN = re.compile(r'^(\S+) is not in the \w+::([\w ]+) registry|^Failed to get (\S+)')


@contextmanager
def one_line_build_errors(cfg: Config) -> Iterator[None]:
    """Turn errors of mmengine's registries into one line.

    Args:
        cfg: whose parts are built within this context.

    Raises:
        SystemExit: for a key that a class does not accept or that it lacks, and for a type that is
            not registered.
    """
    try:
        yield
    except (TypeError, KeyError, RuntimeError) as error:
        line = describe(str(error.args[0]) if error.args else '', cfg)
        if line is None:
            raise
        raise SystemExit(f'{cfg.filename or "the config"}: {line}') from error


def describe(message: str, cfg: Config) -> str | None:
    """One line for a message of a registry; None for any other message."""
    scope = str(cfg.get('default_scope') or 'mmengine')
    tree = cfg.to_dict()
    if match := UNEXPECTED.search(message):
        name, key = match.groups()
        places = [path for path, part in _sections(tree) if _is(part, name) and key in part]
        if not places:
            return None
        known: set[str] = set()
        for kind in classes_of(_at(tree, places[0])['type'], scope):
            known |= accepted_arguments(kind)[0]
        return f'{places[0]}.{key}: {name} has no such setting{_meant(key, known)}'
    if match := MISSING.search(message):
        name, keys = match.groups()
        places = [path for path, part in _sections(tree) if _is(part, name)]
        return f'{places[0]}: {name} needs {keys}' if places else None
    if match := UNKNOWN.search(message):
        name = match[1] or match[3]
        places = [path for path, part in _sections(tree) if part['type'] == name]
        if places:
            known = registered_names(match[2], scope)
            return f'{places[0]}.type: there is no {name}{_meant(name, known)}'
    return None


def _meant(name: str, known: set[str]) -> str:
    near = similar(name, known)
    return '' if near is None else f'; did you mean {near}?'


def _sections(value: Any, path: str = '') -> Iterator[tuple[str, dict]]:
    """Sections that have a type, with their dotted paths."""
    if isinstance(value, dict):
        if 'type' in value:
            yield path, value
        parts: Any = value.items()
    elif isinstance(value, list | tuple):
        parts = enumerate(value)
    else:
        return
    for name, part in parts:
        yield from _sections(part, f'{path}.{name}' if path else str(name))


def _is(section: dict, name: str) -> bool:
    kind = section['type']
    return (kind.rpartition('.')[2] if isinstance(kind, str) else kind.__name__) == name


def _at(node: Any, path: str) -> Any:
    for part in path.split('.'):
        node = node[int(part)] if isinstance(node, list | tuple) else node[part]
    return node
