"""Publish the teacher of a trained pair as a plain Mask2Former, for mmdet without mmpldc."""

import copy
import hashlib
import inspect
import io
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

import torch
from mmdet.registry import MODELS
from mmengine.config import Config, ConfigDict
from mmengine.registry import DefaultScope
from torch import Tensor

from mmpldc.evaluation import CocoMetric
from mmpldc.models import (
    MaskCrossEntropyCost,
    MSDeformAttnPixelDecoder,
    SemiMask2FormerHead,
    SwinTransformer,
    TopKMaskFormerFusionHead,
    UncertaintyWeightedCrossEntropyLoss,
)
from mmpldc.models.detectors.complete_detector import complete_detector
from mmpldc.utils.checkpoints import (
    check_weights,
    class_information,
    read_checkpoint,
    teacher_weights,
)
from mmpldc.utils.files import atomic_write

SCOPE = 'mmpldc.'
# mmpldc modules that differ from the mmdet class they extend in training, freezing or speed, but
# compute the same output from the same weights.
WITH_PLAIN_TWIN = (
    SemiMask2FormerHead,
    MSDeformAttnPixelDecoder,
    TopKMaskFormerFusionHead,
    SwinTransformer,
    MaskCrossEntropyCost,
    CocoMetric,
)
IOU_HEAD = 'panoptic_head.iou_head.'
KEPT = ('test_dataloader', 'test_evaluator', 'test_cfg', 'env_cfg')


class PublishedModel(NamedTuple):
    """Files and remarks returned by :func:`publish_model`.

    Attributes:
        checkpoint: path of the weights.
        config: path of the config.
        own_types: mmpldc modules that the config still names; if empty, mmdet can use the config
            without mmpldc.
        kept_float32: weights that ``half`` left in float32, see :func:`to_half`.
    """

    checkpoint: Path
    config: Path
    own_types: list[str]
    kept_float32: list[str]


def publish_model(
    checkpoint: str | Path, out: Path, cfg: Config, *, half: bool = False
) -> PublishedModel:
    """Write the teacher as a plain ``Mask2Former``: ``OUT-<hash>.pth`` and ``OUT.py``.

    The hash is the first 8 digits of the checkpoint's SHA-256, as in mmdet's tool of the same
    name. Optimiser, student, thresholds and log are left out.

    Args:
        checkpoint: of a :class:`~mmpldc.models.SemiMask2Former`.
        out: output path without the hash; a suffix ``.pth`` is ignored.
        cfg: config that the checkpoint was trained with.
        half: round the weights to float16, half the size; mmdet loads them into a float32 model.

    Raises:
        ValueError: if the checkpoint has no teacher, does not match this config, or has a weight
            that is not finite.
    """
    content = read_checkpoint(checkpoint)
    weights = {  # leave out what only training needs
        name: value
        for name, value in teacher_weights(content['state_dict']).items()
        if not name.startswith(IOU_HEAD)
    }
    detector = plain_detector(cfg.model)
    with DefaultScope.overwrite_default_scope('mmdet'):
        model = MODELS.build(copy.deepcopy(detector))
        check_weights(weights, model)
        model.load_state_dict(weights, strict=True)
        meta = class_information(content, cfg, model.panoptic_head.num_classes)
    for name, value in weights.items():
        if not value.isfinite().all():
            raise ValueError(f'{name} has NaN or infinite values: publish an earlier checkpoint')
    kept_float32 = []
    if half:
        weights = to_half(weights)
        kept_float32 = [name for name, value in weights.items() if value.dtype == torch.float32]
    plain = plain_config(cfg, detector, meta)

    stem = out.with_suffix('') if out.suffix == '.pth' else out
    buffer = io.BytesIO()  # a file would contain its own name, and the hash would depend on it
    torch.save(
        dict(meta=dict(dataset_meta=meta, cfg=plain.pretty_text), state_dict=weights), buffer
    )
    digest = hashlib.sha256(buffer.getbuffer()).hexdigest()[:8]
    weights_path = stem.with_name(f'{stem.name}-{digest}.pth')
    config_path = stem.with_name(f'{stem.name}.py')
    with atomic_write(weights_path, 'wb') as file:
        file.write(buffer.getbuffer())
    with atomic_write(config_path) as file:
        file.write(plain.pretty_text)
    return PublishedModel(weights_path, config_path, _own_types(plain.to_dict()), kept_float32)


def plain_detector(model: ConfigDict) -> ConfigDict:
    """Return the config of mmdet's ``Mask2Former`` that takes the teacher's weights.

    Args:
        model: config of a :class:`~mmpldc.models.SemiMask2Former`; not modified.

    Raises:
        ValueError: if it is another model, or its scores include predicted IoUs.
    """
    if 'detector' not in model:
        raise ValueError(f"the config's model is {model.get('type')}, not mmpldc.SemiMask2Former")
    detector = complete_detector(model.detector, model.get('backbone'), model.get('num_classes'))
    detector.backbone.init_cfg = None  # the checkpoint has these weights
    head = detector.panoptic_head
    if head.get('score_by_iou'):
        raise ValueError(
            "mmdet's head does not multiply scores by a predicted IoU: publish with "
            'model.detector.panoptic_head.score_by_iou=False'
        )
    if head.loss_mask.type == SCOPE + UncertaintyWeightedCrossEntropyLoss.__name__:
        head.loss_mask.pop('pixel_weights', None)
        head.loss_mask.update(type='CrossEntropyLoss', use_sigmoid=True)
    _use_plain_types(detector)
    detector.data_preprocessor = copy.deepcopy(model.data_preprocessor.data_preprocessor)
    return detector


def plain_config(cfg: Config, detector: ConfigDict, meta: dict) -> Config:
    """Return a self-contained config for testing and using a published model.

    Args:
        cfg: config that the model was trained with; its test set and evaluator are kept.
        detector: see :func:`plain_detector`.
        meta: ``classes``, and ``palette`` if known.
    """
    plain = copy.deepcopy({key: cfg[key] for key in KEPT if key in cfg})
    plain['test_dataloader'].dataset.metainfo = meta
    plain |= dict(default_scope='mmdet', model=detector)
    _use_plain_types(plain)
    # Used by mmdet's inferencer and its tools/test.py for drawing.
    plain['visualizer'] = dict(
        type='DetLocalVisualizer', vis_backends=[dict(type='LocalVisBackend')], name='visualizer'
    )
    plain['default_hooks'] = dict(visualization=dict(type='DetVisualizationHook'))
    imports = copy.deepcopy(cfg.get('custom_imports'))
    if _own_types(plain):
        imports = imports or dict(imports=[], allow_failed_imports=False)
        imports['imports'] = [*imports['imports'], 'mmpldc.models', 'mmpldc.datasets']
    if imports:
        plain['custom_imports'] = imports
    return Config(plain)


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


def plain_twin(ours: type) -> type:
    """Return the OpenMMLab class that an mmpldc class extends."""
    return next(base for base in ours.__mro__ if not base.__module__.startswith(SCOPE))


def own_options(ours: type) -> set[str]:
    """Names of the arguments of an mmpldc class that its :func:`plain_twin` does not accept."""
    twin = plain_twin(ours)
    classes = ours.__mro__[: ours.__mro__.index(twin)]
    named = {
        name
        for cls in classes
        for name, parameter in inspect.signature(cls).parameters.items()
        if parameter.kind is not inspect.Parameter.VAR_KEYWORD
    }
    return named - set(inspect.signature(twin).parameters)


def _use_plain_types(value: object) -> None:
    """Replace mmpldc modules by their plain twins, in place."""
    twins = {SCOPE + ours.__name__: ours for ours in WITH_PLAIN_TWIN}
    for module in _modules(value):
        ours = twins.get(module['type'])
        if ours is not None:
            module['type'] = plain_twin(ours).__name__
            for option in own_options(ours):
                module.pop(option, None)


def _own_types(value: object) -> list[str]:
    """List the mmpldc types that a config names, each once."""
    types = {module['type'] for module in _modules(value)}
    return sorted(kind for kind in types if isinstance(kind, str) and kind.startswith(SCOPE))


def _modules(value: object) -> Iterator[dict]:
    """Yield the dicts within a config that have a type."""
    if isinstance(value, dict):
        if 'type' in value:
            yield value
        value = list(value.values())
    elif not isinstance(value, list | tuple):
        return
    for part in value:
        yield from _modules(part)
