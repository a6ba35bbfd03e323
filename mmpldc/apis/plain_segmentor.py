"""The config of the plain ``EncoderDecoder`` that a teacher becomes."""

import copy

from mmdet import registry as mmdet_registry
from mmengine.config import Config, ConfigDict
from mmengine.registry import Registry

from mmpldc.models import OHEMCrossEntropyLoss
from mmpldc.models.segmentors.outputs import complete_segmentor

from .plain_types import FROM_ANY_SCOPE, SCOPE, complete_config, modules

MMSEG = 'mmseg.'
REPRESENTATION = 'decode_head.representation.'
KEPT = ('test_dataloader', 'test_evaluator', 'test_cfg', 'env_cfg')
# Bare names of mmdet's that do the same to an image as what mmsegmentation finds under them.
ALIKE = ('Resize',)


def plain_segmentor(model: ConfigDict) -> ConfigDict:
    """Return the config of mmsegmentation's model that takes the teacher's weights.

    Args:
        model: config of a ``mmpldc.SemiSegmentor``; not modified.

    Raises:
        ValueError: if it is another model.
    """
    if 'segmentor' not in model:
        raise ValueError(f"the config's model is {model.get('type')}, not mmpldc.SemiSegmentor")
    segmentor = complete_segmentor(model.segmentor, model.get('backbone'), model.num_classes)
    segmentor.backbone.init_cfg = None  # the checkpoint has these weights
    for module in modules(segmentor):
        if module['type'] == f'{SCOPE}RepresentationASPPHead':
            module['type'] = f'{MMSEG}DepthwiseSeparableASPPHead'
            module.pop('representation_channels', None)
        elif module['type'] == SCOPE + OHEMCrossEntropyLoss.__name__:  # for training alone
            kept = {key: module[key] for key in ('loss_weight', 'loss_name') if key in module}
            module.clear()
            module.update(type=f'{MMSEG}CrossEntropyLoss', avg_non_ignore=True, **kept)
    segmentor.data_preprocessor = copy.deepcopy(model.data_preprocessor.data_preprocessor)
    _use_plain_types(segmentor)
    return segmentor


def plain_segmentor_config(cfg: Config, segmentor: ConfigDict, meta: dict) -> Config:
    """Return a self-contained config for testing and using a published segmentor.

    Args:
        cfg: config that the model was trained with; its test set and evaluator are kept.
        segmentor: see :func:`plain_segmentor`.
        meta: ``classes``, and ``palette`` if known.
    """
    plain = copy.deepcopy({key: cfg[key] for key in KEPT if key in cfg})
    dataset = plain['test_dataloader'].dataset
    dataset.metainfo = meta
    for module in modules(dataset.pipeline):
        if module['type'] == f'{SCOPE}LoadSegAnnotations':
            module['type'] = f'{MMSEG}LoadAnnotations'
            module.pop('num_classes', None)
    _use_plain_types(plain)
    # What mmsegmentation's inference_model prepares an image with; it leaves the labels out.
    plain['test_pipeline'] = copy.deepcopy(dataset.pipeline)
    plain |= dict(default_scope='mmseg', model=segmentor)
    return complete_config(plain, cfg, drawing='Seg')


def _use_plain_types(value: object) -> None:
    """Write types as they are found from mmsegmentation's scope, in place."""
    for module in modules(value):
        name = module['type']
        if not isinstance(name, str):
            continue
        if name.startswith(MMSEG):
            module['type'] = name.removeprefix(MMSEG)
        elif name.startswith(SCOPE):
            module['type'] = FROM_ANY_SCOPE + name.removeprefix(SCOPE)
        elif '.' not in name and name not in ALIKE and _is_mmdets(name):
            module['type'] = f'mmdet.{name}'


def _is_mmdets(name: str) -> bool:
    """Whether mmdet's scope finds a class of mmdet itself under a bare name."""
    registries = [one for one in vars(mmdet_registry).values() if isinstance(one, Registry)]
    found = (registry.get(name) for registry in registries)
    return any(one is not None and one.__module__.startswith('mmdet.') for one in found)
