"""Publish the teacher of a trained pair as a plain model, for OpenMMLab without mmpldc."""

import copy
import hashlib
import io
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import NamedTuple

import torch
from mmdet.registry import MODELS
from mmengine.config import Config, ConfigDict
from mmengine.registry import DefaultScope
from torch import Tensor

from mmpldc.utils.checkpoints import (
    check_weights,
    class_information,
    read_checkpoint,
    teacher_weights,
)
from mmpldc.utils.files import atomic_write

from .plain_detector import plain_config, plain_detector
from .plain_segmentor import plain_segmentor, plain_segmentor_config
from .plain_types import own_types


class PublishedModel(NamedTuple):
    """Files and remarks returned by :func:`publish_model`.

    Attributes:
        checkpoint: path of the weights.
        config: path of the config.
        own_types: mmpldc modules that the config still names; if empty, OpenMMLab can use the
            config without mmpldc.
        kept_float32: weights that ``half`` left in float32, see :func:`to_half`.
    """

    checkpoint: Path
    config: Path
    own_types: list[str]
    kept_float32: list[str]


class PlainModel(NamedTuple):
    """What a teacher becomes.

    Attributes:
        scope: package whose model it is.
        kind: of model.
        model: returns its config, given that of the pair.
        config: returns a whole config, given the pair's, the model's, and the classes.
        dropped: beginnings of the names of weights that only training needs.
    """

    scope: str
    kind: str
    model: Callable[[ConfigDict], ConfigDict]
    config: Callable[[Config, ConfigDict, dict], Config]
    dropped: tuple[str, ...]


DETECTOR = PlainModel(
    'mmdet', 'Mask2Former', plain_detector, plain_config, ('panoptic_head.iou_head.',)
)
SEGMENTOR = PlainModel(
    'mmseg',
    'EncoderDecoder',
    plain_segmentor,
    plain_segmentor_config,
    ('decode_head.representation.',),
)


def publish_model(
    checkpoint: str | Path, out: Path, cfg: Config, *, half: bool = False
) -> PublishedModel:
    """Write the teacher as a plain model: ``OUT-<hash>.pth`` and ``OUT.py``.

    Of a :class:`~mmpldc.models.SemiMask2Former` that is mmdet's ``Mask2Former``, of a
    ``SemiSegmentor`` mmsegmentation's ``EncoderDecoder``. The hash is the first 8 digits of the
    checkpoint's SHA-256, as in OpenMMLab's tools of the same name. Optimiser, student, thresholds,
    memory bank and log are left out.

    Args:
        checkpoint: of a pair.
        out: output path without the hash; a suffix ``.pth`` is ignored.
        cfg: config that the checkpoint was trained with.
        half: round the weights to float16, half the size; they are loaded into a float32 model.

    Raises:
        ValueError: if the checkpoint has no teacher, does not match this config, or has a weight
            that is not finite.
    """
    content = read_checkpoint(checkpoint)
    plain = SEGMENTOR if 'segmentor' in cfg.model else DETECTOR
    weights = {
        name: value
        for name, value in teacher_weights(content['state_dict']).items()
        if not name.startswith(plain.dropped)
    }
    model_cfg = plain.model(cfg.model)
    with DefaultScope.overwrite_default_scope(plain.scope):
        model = MODELS.build(copy.deepcopy(model_cfg))
    check_weights(weights, model)
    model.load_state_dict(weights, strict=True)
    head = model.decode_head if plain is SEGMENTOR else model.panoptic_head
    meta = class_information(content, cfg, head.num_classes)
    for name, value in weights.items():
        if not value.isfinite().all():
            raise ValueError(f'{name} has NaN or infinite values: publish an earlier checkpoint')
    kept_float32 = []
    if half:
        weights = to_half(weights)
        kept_float32 = [name for name, value in weights.items() if value.dtype == torch.float32]
    plain_cfg = plain.config(cfg, model_cfg, meta)

    stem = out.with_suffix('') if out.suffix == '.pth' else out
    buffer = io.BytesIO()  # a file would contain its own name, and the hash would depend on it
    torch.save(
        dict(meta=dict(dataset_meta=meta, cfg=plain_cfg.pretty_text), state_dict=weights), buffer
    )
    digest = hashlib.sha256(buffer.getbuffer()).hexdigest()[:8]
    weights_path = stem.with_name(f'{stem.name}-{digest}.pth')
    config_path = stem.with_name(f'{stem.name}.py')
    with atomic_write(weights_path, 'wb') as file:
        file.write(buffer.getbuffer())
    with atomic_write(config_path) as file:
        file.write(plain_cfg.pretty_text)
    return PublishedModel(weights_path, config_path, own_types(plain_cfg.to_dict()), kept_float32)


def to_half(weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Round floating-point weights to float16; other tensors stay as they are.

    A tensor with a value beyond float16's range (65,504), such as a batch norm's variance, also
    stays as it is.
    """
    most = torch.finfo(torch.float16).max
    return {
        name: value.half()
        if value.is_floating_point() and not (value.abs() > most).any()
        else value
        for name, value in weights.items()
    }
