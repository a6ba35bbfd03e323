"""Complete the configs of the labelled and the unlabelled part of a ``SemiDataset``."""

from collections.abc import Mapping
from typing import Literal

from mmengine.fileio import join_path
from mmengine.utils import is_abs

Part = Literal['labeled', 'unlabeled']
UNLABELED = '-unlabeled'


def semi_parts(
    labeled: Mapping,
    unlabeled: Mapping | None = None,
    *,
    split: str | None = None,
    shared: Mapping | None = None,
) -> dict[Part, dict]:
    """Fill shared settings into the parts' configs.

    Args:
        labeled: config of the labelled part.
        unlabeled: config of the unlabelled part, or None for labelled images alone.
        split: path of a split as ``tools/dataset/split.py`` writes it: without extension, the
            annotation files are ``SPLIT.json`` and ``SPLIT-unlabeled.json``; with ``.txt``, they
            are lists of names. None: each part has its own ``ann_file``.
        shared: settings of both parts; a part's own settings take precedence.

    Returns:
        The parts by name: ``'labeled'`` and, unless it is None, ``'unlabeled'``.

    Raises:
        ValueError: if a part has an ``ann_file`` besides ``split``, so that two files are named.
    """
    parts: dict[Part, Mapping] = {'labeled': labeled}
    if unlabeled is not None:
        parts['unlabeled'] = unlabeled
    files: dict[Part, str] = {}
    if split is not None:
        extension = '.txt' if str(split).endswith('.txt') else '.json'
        stem = str(split).removesuffix(extension).removesuffix(UNLABELED)
        files = {
            'labeled': f'{stem}{extension}',
            'unlabeled': f'{stem}{UNLABELED}{extension}',
        }
    complete: dict[Part, dict] = {}
    for name, part in parts.items():
        if name in files and part.get('ann_file'):
            raise ValueError(
                f'train_dataloader.dataset has split={split!r} and {name}.ann_file='
                f'{part["ann_file"]!r}: remove one of them (split=None uses the ann_file of each '
                'part)'
            )
        own = {'ann_file': files[name]} if name in files else {}
        complete[name] = {**(shared or {}), **part, **own}
    return complete


def in_root(path: str, data_root: str | None) -> str:
    """A path below a data set's ``data_root``, as mmengine's ``BaseDataset`` reads it."""
    return join_path(data_root, path) if data_root and not is_abs(path) else path
