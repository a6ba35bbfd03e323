"""The configs of the labelled and the unlabelled part of a ``SemiDataset``."""

from collections.abc import Mapping
from typing import Literal

Part = Literal['labeled', 'unlabeled']
UNLABELED = '-unlabeled'


def semi_parts(
    labeled: Mapping,
    unlabeled: Mapping | None = None,
    *,
    split: str | None = None,
    shared: Mapping | None = None,
) -> dict[Part, dict]:
    """Complete the parts' configs with what is written once for both.

    Args:
        labeled: config of the labelled part.
        unlabeled: config of the unlabelled part, or None for labelled images alone.
        split: path of a split as ``tools/dataset/split.py`` writes it, without an ending: the
            annotation files are ``SPLIT.json`` and ``SPLIT-unlabeled.json``. None: the parts have
            an ``ann_file`` each.
        shared: settings of both parts; a part's own ones go first.

    Returns:
        By name, ``'labeled'`` and, unless it is None, ``'unlabeled'``.

    Raises:
        ValueError: if a part has an ``ann_file`` beside ``split``, so that two files are named.
    """
    parts: dict[Part, Mapping] = {'labeled': labeled}
    if unlabeled is not None:
        parts['unlabeled'] = unlabeled
    files: dict[Part, str] = {}
    if split is not None:
        stem = str(split).removesuffix('.json').removesuffix(UNLABELED)
        files = {'labeled': f'{stem}.json', 'unlabeled': f'{stem}{UNLABELED}.json'}
    complete: dict[Part, dict] = {}
    for name, part in parts.items():
        if name in files and part.get('ann_file'):
            raise ValueError(
                f'train_dataloader.dataset has split={split!r} and {name}.ann_file='
                f'{part["ann_file"]!r}: remove one of them (split=None takes the ann_file of each '
                'part)'
            )
        own = {'ann_file': files[name]} if name in files else {}
        complete[name] = {**(shared or {}), **part, **own}
    return complete
