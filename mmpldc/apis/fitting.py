"""Refuse a checkpoint that does not fit a model before the model is used."""

import logging
from pathlib import Path

from mmengine.config import Config
from mmengine.logging import print_log
from torch import nn

from mmpldc.models.teacher_student import as_teacher_student
from mmpldc.utils.checkpoints import TEACHER, check_weights, read_checkpoint, teacher_weights
from mmpldc.utils.unwrapping import unwrapped

STUDENT = 'student.'


def check_checkpoint(path: str | Path, model: nn.Module, cfg: Config) -> None:
    """Check that a checkpoint has all weights of the network that will predict, and its classes.

    Args:
        path: of the checkpoint, or its URL.
        model: of the config: a teacher-student pair or a plain network.
        cfg: config with ``test_dataloader``; its classes are compared with the checkpoint's.

    Raises:
        FileNotFoundError: if there is no such file.
        ValueError: in one line, if weights are missing or have another shape, or if the classes
            are the same in another order.
    """
    checkpoint = read_checkpoint(path)
    weights = {
        name.removeprefix('module.'): value for name, value in checkpoint['state_dict'].items()
    }
    network: nn.Module = unwrapped(model)
    pair = as_teacher_student(model)
    if pair is not None:
        network = pair.teacher
        if pair.semi_test_cfg['predict_on'] == 'student':
            network = pair.student
            own = {name: value for name, value in weights.items() if name.startswith(STUDENT)}
            weights = {name.removeprefix(STUDENT): own[name] for name in own} or weights
        elif any(name.startswith(TEACHER) for name in weights):
            weights = teacher_weights(weights)
    try:
        check_weights(weights, network)
        _compare_classes(checkpoint.get('meta') or {}, cfg)
    except ValueError as error:
        raise ValueError(f'{path}: {error}') from None


def _compare_classes(meta: dict, cfg: Config) -> None:
    """Compare names of classes where both are known."""
    saved = (meta.get('dataset_meta') or {}).get('classes')
    dataset = (cfg.get('test_dataloader') or {}).get('dataset') or {}
    wanted = (dataset.get('metainfo') or {}).get('classes')
    if not isinstance(saved, list | tuple) or not isinstance(wanted, list | tuple):
        return
    if list(saved) == list(wanted):
        return
    if sorted(saved) == sorted(wanted):
        raise ValueError(
            f'the checkpoint has the classes of the config in another order, {tuple(saved)}: write '
            "them so in the config's test_dataloader.dataset.metainfo"
        )
    print_log(
        f'the checkpoint was trained on the classes {tuple(saved)}, the config tests '
        f'{tuple(wanted)}',
        logger='current',
        level=logging.WARNING,
    )
