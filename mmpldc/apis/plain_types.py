"""Types that a published config names, and what it imports for them."""

import copy
from collections.abc import Iterator
from typing import Literal

from mmengine.config import Config

SCOPE = 'mmpldc.'
FROM_ANY_SCOPE = 'mmdet.mmpldc.'  # the same, where the default scope is another than mmdet's


def own_types(value: object) -> list[str]:
    """List the mmpldc types that a config names, each once."""
    types = {module['type'] for module in modules(value)}
    return sorted(
        kind for kind in types if isinstance(kind, str) and kind.startswith((SCOPE, FROM_ANY_SCOPE))
    )


def modules(value: object) -> Iterator[dict]:
    """Yield the dicts within a config that have a type."""
    if isinstance(value, dict):
        if 'type' in value:
            yield value
        value = list(value.values())
    elif not isinstance(value, list | tuple):
        return
    for part in value:
        yield from modules(part)


def complete_config(plain: dict, cfg: Config, *, drawing: Literal['Det', 'Seg']) -> Config:
    """Add what draws predictions, and the imports of own types that are left.

    Args:
        plain: of a published model.
        cfg: config that the model was trained with; its ``custom_imports`` are kept.
        drawing: how the library's visualizer and hook are called.
    """
    plain['visualizer'] = dict(
        type=f'{drawing}LocalVisualizer',
        vis_backends=[dict(type='LocalVisBackend')],
        name='visualizer',
    )
    plain['default_hooks'] = dict(visualization=dict(type=f'{drawing}VisualizationHook'))
    imports = copy.deepcopy(cfg.get('custom_imports'))
    if own_types(plain):
        imports = imports or dict(imports=[], allow_failed_imports=False)
        imports['imports'] = [*imports['imports'], 'mmpldc.models', 'mmpldc.datasets']
    if imports:
        plain['custom_imports'] = imports
    return Config(plain)
