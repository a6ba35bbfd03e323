"""Types that a config names."""

from collections.abc import Iterator

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
