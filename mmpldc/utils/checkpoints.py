"""Read checkpoints, take the teacher's weights and find the class names."""

import copy
import pickle
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mmdet.registry import DATASETS
from mmengine.config import Config
from mmengine.runner import CheckpointLoader
from torch import Tensor, nn

TEACHER = 'teacher.'


def read_checkpoint(path: str | Path) -> dict:
    """Read a checkpoint of mmengine onto the CPU, as weights only if possible.

    Args:
        path: of a file, or a URL that mmengine can load.

    Returns:
        ``state_dict``, and usually ``meta``.

    Raises:
        FileNotFoundError: with the file's name.
        ValueError: if it is not a checkpoint.
    """
    if '://' not in str(path) and not Path(path).is_file():
        raise FileNotFoundError(f'there is no checkpoint {path}')
    try:
        checkpoint = CheckpointLoader.load_checkpoint(str(path), map_location='cpu')
    except (pickle.UnpicklingError, EOFError, RuntimeError) as error:
        raise ValueError(f'{path} cannot be read as a checkpoint: {error}') from error
    if not isinstance(checkpoint, dict) or 'state_dict' not in checkpoint:
        found = list(checkpoint) if isinstance(checkpoint, dict) else type(checkpoint).__name__
        raise ValueError(f"{path} is no checkpoint of mmengine: no 'state_dict', but {found}")
    return checkpoint


def teacher_weights(state_dict: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return the teacher's part of a :class:`~mmpldc.models.SemiMask2Former`'s weights.

    Returns:
        Weights by their names in a plain ``Mask2Former``.

    Raises:
        ValueError: if the weights have no teacher; the message names their kind.
    """
    weights = {
        name.removeprefix(TEACHER): value
        for name, value in state_dict.items()
        if name.startswith(TEACHER)
    }
    if not weights:
        found = ', '.join(sorted({name.split('.')[0] for name in state_dict})) or 'nothing'
        raise ValueError(f'the checkpoint has no teacher: its weights are those of {found}')
    return weights


def check_weights(weights: Mapping[str, Tensor], model: nn.Module) -> None:
    """Check that weights match a model.

    Raises:
        ValueError: with the numbers of missing, unexpected and misshapen weights, and an example.
    """
    own = model.state_dict()
    problems = {
        'missing': [name for name in own if name not in weights],
        'not of the model': [name for name in weights if name not in own],
        'of another shape': [
            name for name in own if name in weights and own[name].shape != weights[name].shape
        ],
    }
    found = [f'{len(names)} {kind} ({names[0]})' for kind, names in problems.items() if names]
    if found:
        raise ValueError(
            f'the checkpoint is not of this config: of {len(own)} weights {", ".join(found)}'
        )


def class_information(checkpoint: dict, cfg: Config, num_classes: int) -> dict:
    """Return the names of the classes, and their colours if known.

    The checkpoint comes first, then the config's test set.

    Args:
        checkpoint: see :func:`read_checkpoint`.
        cfg: config with ``test_dataloader``; its images and annotations are not read.
        num_classes: number of the model's classes.

    Returns:
        ``classes``, a tuple of str, and, unless unknown, ``palette``, a list of (R, G, B).

    Raises:
        ValueError: if neither has that many names.
    """
    saved = checkpoint.get('meta', {}).get('dataset_meta') or {}
    tested = _test_metainfo(cfg)
    sources = {'the checkpoint': saved, "the config's test set": tested}
    for found in sources.values():
        found = {key.lower(): value for key, value in found.items()}
        if len(found.get('classes') or ()) == num_classes:
            information: dict[str, Any] = dict(classes=tuple(found['classes']))
            palette = found.get('palette') or tested.get('palette')
            if isinstance(palette, list | tuple) and len(palette) == num_classes:
                information['palette'] = [tuple(map(int, colour)) for colour in palette]
            return information
    counts = ', '.join(f'{len(v.get("classes") or ())} in {k}' for k, v in sources.items())
    raise ValueError(
        f'the model has {num_classes} classes, but there are names for {counts}: set '
        'test_dataloader.dataset.metainfo.classes in the config'
    )


def _test_metainfo(cfg: Config) -> dict:
    """Classes and colours of the test set."""
    dataset = cfg.test_dataloader.dataset
    load_metainfo = getattr(DATASETS.get(dataset.type), '_load_metainfo', None)
    if load_metainfo is not None:
        # As it is built, but without its files, which some data sets of mmsegmentation look for.
        return load_metainfo(copy.deepcopy(dataset.get('metainfo')))
    return DATASETS.build(dict(dataset, lazy_init=True)).metainfo
