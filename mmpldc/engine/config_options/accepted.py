"""Which keys the classes that a config names accept."""

import inspect
import re
from collections.abc import Iterator, Mapping
from contextlib import suppress
from functools import cache
from importlib import import_module
from typing import Any

import torch.distributed
from mmengine.model import MMDistributedDataParallel
from mmengine.optim import AmpOptimWrapper
from mmengine.registry import Registry, root
from mmengine.runner import (
    EpochBasedTrainLoop,
    IterBasedTrainLoop,
    LogProcessor,
    Runner,
    TestLoop,
    ValLoop,
)
from mmengine.utils import get_object_from_string
from torch.utils.data import DataLoader

from .nearest import SURE, similar

# Keys that registries, hooks and mmengine's builders take out before they call a class.
OF_EVERY_TYPE = {'type', '_scope_', '_delete_', 'priority', 'requires_grad'}
OF_SCHEDULERS = {'convert_to_iter_based', 'by_epoch'}
# Sections without a type: what mmengine builds from them.
BUILT_BY_RUNNER: dict[str, tuple[Any, ...]] = {
    'train_dataloader': (DataLoader, Runner.build_dataloader),
    'val_dataloader': (DataLoader, Runner.build_dataloader),
    'test_dataloader': (DataLoader, Runner.build_dataloader),
    'train_cfg': (EpochBasedTrainLoop, IterBasedTrainLoop, Runner.build_train_loop),
    'val_cfg': (ValLoop,),
    'test_cfg': (TestLoop,),
    'log_processor': (LogProcessor,),
    'randomness': (Runner.set_randomness,),
    'model_wrapper_cfg': (MMDistributedDataParallel,),
    'dist_cfg': (torch.distributed.init_process_group,),
}
EXTRA_OF_RUNNER = {  # read by name
    'dataloader': {'dataset', 'sampler', 'batch_sampler', 'num_batch_per_epoch', 'collate_fn'}
    | {'worker_init_fn', 'disable_subprocess_warning'},
    'train_cfg': {'by_epoch'},
}
# Names of these are the user's own.
FREE = {'custom_keys', 'metainfo', 'backend_args', 'compile', 'palette', 'templates'}


@cache
def root_keys() -> frozenset[str]:
    """Top-level keys that mmengine's Runner and the tools read; all others are variables."""
    own = set(inspect.signature(Runner.__init__).parameters) - {'self', 'cfg'}
    read = re.findall(r"\bcfg\.get\(\s*'(\w+)'", inspect.getsource(Runner))
    return frozenset({*own, *read, 'runner_type', 'custom_imports', 'model_wrapper_cfg'})


def accepted_arguments(kind: Any) -> tuple[set[str], bool]:
    """Names of the arguments of a class or function.

    Args:
        kind: a class; arguments that it passes on as ``**kwargs`` are those of its bases.

    Returns:
        The names, and whether others may be accepted as well.
    """
    names: set[str] = set()
    is_open = False
    for owner in getattr(kind, '__mro__', (kind,)):
        function = vars(owner).get('__init__') if inspect.isclass(owner) else owner
        if function is None or owner is object:
            continue
        try:
            parameters = list(inspect.signature(function).parameters.values())
        except (TypeError, ValueError):  # built in
            return names, True
        if inspect.isclass(owner):
            parameters = parameters[1:]
        named = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)
        names |= {parameter.name for parameter in parameters if parameter.kind in named}
        others = [one.name for one in parameters if one.kind is inspect.Parameter.VAR_KEYWORD]
        if not others:
            return names, is_open
        passed_on = re.search(rf'\.__init__\([^()]*\*\*{others[0]}\b', _source(function))
        is_open |= passed_on is None  # the class uses them itself, such as SemiDataset
    return names, True


def classes_of(kind: Any, scope: str) -> list[Any]:
    """Classes that a ``type`` can mean.

    Args:
        kind: a name, maybe with a scope such as ``'mmpldc.CocoMetric'``, or a class.
        scope: of names without one.

    Returns:
        All registered classes of this name, for some names are in several registries.
    """
    if not isinstance(kind, str):
        return [kind] if callable(kind) else []
    own_scope, _, name = kind.rpartition('.')
    found = [
        registered
        for registry in _registries(own_scope or scope, is_alone=bool(own_scope))
        if (registered := registry.module_dict.get(name)) is not None
    ]
    if not found and own_scope:
        try:
            found = [get_object_from_string(kind)]
        except Exception:  # a module that does not exist, or fails when imported
            return []
    return [_behind(one) for one in dict.fromkeys(found) if one is not None]


def _registries(scope: str, *, is_alone: bool) -> Iterator[Registry]:
    modules = [] if is_alone else [root]
    if scope != 'mmengine':
        with suppress(ImportError):
            modules.insert(0, import_module(f'{scope}.registry'))
    for module in modules or [root]:
        for registry in vars(module).values():
            if isinstance(registry, Registry):
                registry.import_from_location()
                yield registry


def registered_names(registry: str | None, scope: str) -> set[str]:
    """Names that a ``type`` may have, those of mmpldc with their scope.

    Args:
        registry: name of a registry, such as ``'model'``; None: of any.
        scope: of types without one.
    """
    return {
        f'{prefix}{name}'
        for own, prefix in ((scope, ''), ('mmpldc', 'mmpldc.'))
        for one in _registries(own, is_alone=True)
        if registry in (None, one.name)
        for name in one.module_dict
    }


def _behind(registered: Any) -> Any:
    """The class that a registered function of the same name builds, such as those of mmpldc."""
    if inspect.isclass(registered):
        return registered
    try:
        return getattr(import_module(registered.__module__), registered.__name__)
    except (ImportError, AttributeError):
        return registered


def keys_read(name: str, classes: list[Any]) -> tuple[set[str], bool]:
    """Keys that the code of classes reads from a section without a type.

    Args:
        name: of the section, such as ``'test_cfg'``.
        classes: those that are built around it; their bases count as well.

    Returns:
        The keys, and whether others may be read as well: the section is passed on as arguments or
        under another name.
    """
    keys: set[str] = set()
    is_open = False
    for source in filter(None, map(_source, _with_bases(classes))):
        keys.update(re.findall(rf"\b{name}(?:\.(?:get|pop|setdefault)\(|\[)\s*'(\w+)'", source))
        keys.update(re.findall(rf"'(\w+)' (?:not )?in (?:self\.)?{name}\b", source))
        keys.update(re.findall(rf'\bself\.{name}\.(?!get\b|pop\b|update\b|copy\b)(\w+)', source))
        is_open |= re.search(rf'\*\*(?:self\.)?{name}\b', source) is not None
        is_open |= re.search(rf'^\s*(?!self\.{name}\b)\w+ = (?:self\.)?{name}$', source, re.M) is (
            not None
        )
    return keys, is_open


def _with_bases(classes: list[Any]) -> list[Any]:
    bases = (base for one in classes for base in getattr(one, '__mro__', (one,)))
    return [base for base in dict.fromkeys(bases) if base.__module__.split('.')[0] != 'torch']


@cache
def _source(kind: Any) -> str:
    try:
        return inspect.getsource(kind).replace('"', "'")
    except (OSError, TypeError):
        return ''


def typed_classes(value: Any, scope: str) -> list[Any]:
    """Classes of all types in a part of a config."""
    if isinstance(value, Mapping):
        own = [
            kind for key in ('type', 'constructor') for kind in classes_of(value.get(key), scope)
        ]
        return own + [one for part in value.values() for one in typed_classes(part, scope)]
    if isinstance(value, list | tuple):
        return [one for part in value for one in typed_classes(part, scope)]
    return []


def accepts(key: str, section: Mapping, name: str, owner: Any, scope: str) -> tuple[bool, set[str]]:
    """Whether a section may have a key that it does not have yet.

    Args:
        key: the new one.
        section: a dict of the config.
        name: of the section.
        owner: the nearest section around it that has a type, or None.
        scope: of types without one.

    Returns:
        The answer, and the keys known to be accepted. Where nobody can tell, the answer is yes, and
        the key is not among them.
    """
    if name in FREE:
        return True, set()
    known = set(section)
    classes: list[Any] = []
    if 'type' in section:
        classes = classes_of(section['type'], scope)
        known |= OF_EVERY_TYPE
        if name.isdigit() or name == 'param_scheduler':
            known |= OF_SCHEDULERS
        if name == 'optim_wrapper':
            known |= {'constructor', 'paramwise_cfg'}
            classes = [*classes, AmpOptimWrapper]  # what --amp makes of it
    is_of_runner = name in BUILT_BY_RUNNER and owner is None
    classes = classes or (list(BUILT_BY_RUNNER[name]) if is_of_runner or name == 'dist_cfg' else [])
    if is_of_runner:
        known |= EXTRA_OF_RUNNER.get('dataloader' if 'dataloader' in name else name, set())
    if classes:
        is_open = False
        for one in classes:
            names, others = accepted_arguments(one)
            known |= names
            is_open |= others
        if is_open:  # such as SemiDataset, whose parts take its other settings
            parts = (part for part in section.values() if isinstance(part, Mapping))
            for part in parts:
                for one in classes_of(part.get('type'), scope):
                    known |= accepted_arguments(one)[0]
        return key in known or is_open, known
    if 'type' in section:  # of a class that cannot be found: building it will tell
        return True, known
    around = [Runner] if owner is None else typed_classes(owner, scope)
    read, is_open = keys_read(name, around)
    if similar(key, section, cutoff=SURE):  # a base reads max_per_img, the class max_per_image
        return False, known
    return key in read or is_open or not read, known | read
