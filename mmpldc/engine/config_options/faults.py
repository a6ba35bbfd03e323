"""Find options that would change nothing, or the wrong thing."""

from collections.abc import Iterable, Mapping, Sequence
from copy import deepcopy
from typing import Any

from mmengine.config import Config

from .accepted import accepts, root_keys
from .nearest import SURE, corrected, leaves, listed, same_end, same_value, similar


def option_faults(cfg: Config, options: Mapping[str, Any]) -> list[str]:
    """Describe each option that no part of a run reads, with the nearest right key.

    A key is right if the config has it, or if the class of its section accepts it. A new key of a
    section whose keys nobody lists is right unless it is like one that is there.

    Args:
        cfg: before the options are merged; not modified.
        options: values by dotted key.

    Returns:
        One line for each.
    """
    before = cfg.to_dict()
    after = _merged(before, options)
    checker = _Checker(before, after, str(cfg.get('default_scope') or 'mmengine'))
    return [
        f'{key}={shown(value)}: {fault}'
        for key, value in options.items()
        if (fault := checker.fault(key.split('.'), value))
    ]


def _merged(before: dict, options: Mapping[str, Any]) -> dict:
    """The config with its options; without them if mmengine cannot merge them."""
    after = Config(deepcopy(before))
    try:
        after.merge_from_dict(dict(options))
    except (KeyError, TypeError, AssertionError):
        return before
    return after.to_dict()


def shown(value: Any) -> str:
    """A value as one writes it on a command line, shortened."""
    text = value if isinstance(value, str) else repr(value).replace(' ', '')
    return text if len(text) < 60 else f'{text[:57]}...'


class _Checker:
    """Follows keys through a config.

    Args:
        before: the config.
        after: the same with the options.
        scope: of types without one.
    """

    def __init__(self, before: dict, after: dict, scope: str) -> None:
        self.before = before
        self.after = after
        self.scope = scope
        self.roots = set(root_keys())
        if 'data_preprocessor' in (before.get('model') or {}):
            self.roots.discard('data_preprocessor')  # mmengine reads it only if the model has none
        used = {key: before[key] for key in before if key in self.roots}
        self.keys = dict(leaves(used))

    def fault(self, parts: Sequence[str], value: Any) -> str | None:
        """What is wrong with an option, in words."""
        if parts[0] not in self.roots:
            return self._of_root(parts)
        node: Any = self.before
        twin: Any = self.after  # the same place in the merged config
        owner: Any = None
        for depth, part in enumerate(parts):
            name = '.'.join(parts[:depth])
            if isinstance(node, list | tuple):
                if fault := _of_list(node, name, part):
                    return fault
                node, twin = node[int(part)], _at(twin, int(part))
                continue
            if node is None or (isinstance(node, Mapping) and not node and depth):
                # a new section; building it tells what it lacks
                return f'{name} is empty: it has no entry {part}' if part.isdigit() else None
            if not isinstance(node, Mapping):
                return f'{name} is {shown(node)}, which has no parts; set {name} itself'
            if isinstance(twin, Mapping) and 'type' in twin:
                owner = twin
            if depth and part not in node:
                return self._of_new_key(parts, depth, twin, owner)
            node, twin = node.get(part), _at(twin, part)
        return _of_value(node, value, is_root=len(parts) == 1)

    def _of_new_key(self, parts: Sequence[str], depth: int, section: Any, owner: Any) -> str | None:
        section = section if isinstance(section, Mapping) else {}
        own, name = parts[depth], parts[depth - 1]
        if own == '_delete_':  # mmengine's, and gone once the options are merged
            return None
        if name in ('default_hooks', 'custom_hooks'):
            new = section.get(own)
            if isinstance(new, Mapping) and 'type' in new:
                return None
            is_known, known = False, set(section) - {own}
        else:
            is_known, known = accepts(
                own, {key: section[key] for key in section if key != own}, name, owner, self.scope
            )
        if own in known:
            return None
        near = similar(own, known, cutoff=SURE)
        if is_known and near is None:
            return None
        where = '.'.join(parts[:depth])
        kind = section.get('type')
        kind = f', a {getattr(kind, "__name__", kind)},' if kind else ''
        if near:
            advice = f'; did you mean {".".join([where, near, *parts[depth + 1 :]])}?'
        else:
            advice = self._advice(parts)
        return f'{where}{kind} has no key {own}{advice}'

    def _of_root(self, parts: Sequence[str]) -> str:
        name = parts[0]
        if name not in self.before:
            return f'no key {name} is read by a run{self._advice(parts)}'
        return (
            f'{name} is only a variable of the config file, which is used while the file is read, '
            f'so the option would have no effect{self._advice(parts) or ": edit the file"}'
        )

    def _advice(self, parts: Sequence[str]) -> str:
        """The nearest right keys."""
        if near := corrected(parts, self.before, self._known):
            return f'; did you mean {near}?'
        variable = self.before.get(parts[0]) if len(parts) == 1 else None
        found = same_end(parts, self.keys, variable) or same_value(variable, self.keys)
        return f': set {listed(found)}' if found else ''

    def _known(self, path: Sequence[str], node: Mapping) -> Iterable[str]:
        if not path:
            return self.roots & set(self.before)
        owner: Any = None
        at: Any = self.after
        for part in path:
            if isinstance(at, Mapping) and 'type' in at:
                owner = at
            at = _at(at, int(part) if isinstance(at, list | tuple) else part)
        return accepts('', node, path[-1], node if 'type' in node else owner, self.scope)[1] | set(
            node
        )


def _at(node: Any, part: Any) -> Any:
    if isinstance(node, Mapping):
        return node.get(part)
    if isinstance(node, list | tuple) and isinstance(part, int) and part < len(node):
        return node[part]
    return None


def _of_list(node: Sequence, name: str, part: str) -> str | None:
    if isinstance(node, tuple):
        return f'{name} is a tuple: set it as a whole, such as {name}="{shown(node)}"'
    if not part.isdigit():
        return f'{name} is a list: name an entry by its number, such as {name}.0.{part}'
    if int(part) >= len(node):
        return f'{name} has {len(node)} entries, which are counted from 0'
    return None


def _of_value(old: Any, value: Any, *, is_root: bool) -> str | None:
    """A text instead of a number, or a single value instead of a section."""
    single = (str, int, float) if is_root else str
    if isinstance(old, Mapping) and isinstance(value, single):
        first = next((key for key in old if key != 'type'), 'type')
        return f'this is a section: set its keys, such as {first}'
    if type(old) in (int, float) and isinstance(value, str):
        return f'this is a number, now {old}'
    return None
