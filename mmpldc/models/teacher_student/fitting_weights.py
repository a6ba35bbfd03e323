"""Which weights of a checkpoint fit a network."""

from collections.abc import Iterable, Sequence
from typing import Any

from mmengine.logging import print_log
from torch import nn

NAMED = 3  # modules in a line of the log


def drop_unfit(state_dict: dict[str, Any], network: nn.Module, prefixes: Sequence[str]) -> None:
    """Drop a plain network's weights of another shape, and log in a line what is taken.

    A head of other classes, and queries of another number, so start anew.

    Args:
        state_dict: with the same weights under each prefix; modified.
        network: that takes them.
        prefixes: of the names; the first one is looked at.
    """
    own = network.state_dict()
    first = prefixes[0]
    given = {name.removeprefix(first) for name in state_dict if name.startswith(first)}
    unfit = {
        name for name in given & own.keys() if state_dict[first + name].shape != own[name].shape
    }
    for name in unfit:
        for prefix in prefixes:
            del state_dict[prefix + name]
    taken = len(own.keys() & given) - len(unfit)
    if taken == len(own) == len(given):
        return
    left = [
        f'{len(names)} {what} ({_modules(names)})'
        for what, names in (
            ('start anew because of another shape', unfit),
            ('start anew because the checkpoint has none', own.keys() - given),
            ('of the checkpoint are not used', given - own.keys()),
        )
        if names
    ]
    print_log(
        f'start: {taken} of {len(own)} weights of the network are taken from the checkpoint; '
        f'{"; ".join(left)}',
        logger='current',
    )


def unfit_weights(state_dict: dict[str, Any], network: nn.Module, prefix: str) -> list[str]:
    """List a network's weights that are missing or have another shape."""
    return [
        name
        for name, own in network.state_dict().items()
        if prefix + name not in state_dict or state_dict[prefix + name].shape != own.shape
    ]


def _modules(names: Iterable[str]) -> str:
    """The first modules that weights belong to, such as ``panoptic_head.cls_embed``."""
    modules = sorted({'.'.join(name.split('.')[:2]) for name in names})
    return ', '.join(modules[:NAMED]) + (', ...' if len(modules) > NAMED else '')
