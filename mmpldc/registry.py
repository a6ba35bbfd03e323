"""Registries of mmpldc, children of mmdet's registries.

A type written as ``mmpldc.X`` is found under ``default_scope='mmdet'`` without ``custom_imports``,
because mmengine imports ``mmpldc.registry`` when it meets the scope and each node imports its
``locations`` on first use. A bare mmdet name written inside an mmpldc config still resolves.

Semantic segmentation keeps that scope and writes every type of mmsegmentation as ``mmseg.X``: under
``default_scope='mmseg'`` ``mmpldc.X`` is not found, for mmengine looks for a scope among a
registry's own children and the root's. What needs mmsegmentation is imported when it is built.
"""

from importlib import import_module
from typing import Any

from mmdet import registry as mmdet_registry
from mmengine.registry import Registry

from mmpldc._compat import NEEDS_MMSEG, is_installed
from mmpldc.utils import checkpoint_loading  # noqa: F401, before anything of ours loads a checkpoint


def _child_of(name: str, *locations: str) -> Registry:
    parent = getattr(mmdet_registry, name)
    return Registry(parent.name, parent=parent, scope='mmpldc', locations=list(locations))


# The modules that register something; their packages import nothing, so that tools that need no
# PyTorch start at once.
ENGINE = (
    'mmpldc.engine.fileio',
    'mmpldc.engine.hooks',
    'mmpldc.engine.optimizers',
    'mmpldc.engine.rank_mean_log_processor',
    'mmpldc.engine.runner',
)

MODELS = _child_of('MODELS', 'mmpldc.models')
TRANSFORMS = _child_of('TRANSFORMS', 'mmpldc.datasets.transforms', 'mmpldc.models')
DATASETS = _child_of('DATASETS', 'mmpldc.datasets.semi_dataset')
DATA_SAMPLERS = _child_of('DATA_SAMPLERS', 'mmpldc.datasets.samplers')
HOOKS = _child_of('HOOKS', *ENGINE)
LOOPS = _child_of('LOOPS', *ENGINE)
LOG_PROCESSORS = _child_of('LOG_PROCESSORS', *ENGINE)
METRICS = _child_of('METRICS', 'mmpldc.evaluation.coco_metric')
OPTIM_WRAPPERS = _child_of('OPTIM_WRAPPERS', *ENGINE)
OPTIM_WRAPPER_CONSTRUCTORS = _child_of('OPTIM_WRAPPER_CONSTRUCTORS', *ENGINE)
TASK_UTILS = _child_of('TASK_UTILS', 'mmpldc.models')


def _semantic(registry: Registry, module: str, name: str) -> None:
    """Register a type that needs mmsegmentation by a function that imports and builds it."""

    def build(*args: Any, **kwargs: Any) -> object:
        if not is_installed('mmseg'):
            raise ImportError(NEEDS_MMSEG)
        return getattr(import_module(module), name)(*args, **kwargs)

    build.__name__, build.__module__ = name, module
    registry.register_module(name=name, module=build)


_semantic(MODELS, 'mmpldc.models.decode_heads', 'RepresentationASPPHead')
_semantic(MODELS, 'mmpldc.models.segmentors.semi_segmentor', 'SemiSegmentor')
_semantic(
    TRANSFORMS, 'mmpldc.datasets.transforms.pack_seg_training_inputs', 'PackSegTrainingInputs'
)
