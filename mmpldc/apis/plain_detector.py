"""The config of the plain Mask2Former that a teacher becomes."""

import copy
import inspect

from mmengine.config import Config, ConfigDict

from mmpldc.datasets.transforms import LoadAnnotations
from mmpldc.evaluation.coco_metric import CocoMetric
from mmpldc.models import (
    MaskCrossEntropyCost,
    MSDeformAttnPixelDecoder,
    SemiMask2FormerHead,
    SwinTransformer,
    TopKMaskFormerFusionHead,
    UncertaintyWeightedCrossEntropyLoss,
)
from mmpldc.models.detectors.complete_detector import complete_detector

from .plain_types import SCOPE, complete_config, modules

# mmpldc modules that differ from the mmdet class they extend in training, freezing or speed, but
# compute the same output from the same weights.
WITH_PLAIN_TWIN = (
    SemiMask2FormerHead,
    MSDeformAttnPixelDecoder,
    TopKMaskFormerFusionHead,
    SwinTransformer,
    MaskCrossEntropyCost,
    CocoMetric,
    LoadAnnotations,
)
KEPT = ('test_dataloader', 'test_evaluator', 'test_cfg', 'env_cfg')


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
    # mmdet's head takes the best of all queries and classes, and fails if there are fewer
    most = head.num_queries * (head.num_things_classes + head.num_stuff_classes)
    if detector.test_cfg.get('max_per_image', 100) > most:
        detector.test_cfg.max_per_image = most
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
    return complete_config(plain, cfg, drawing='Det')


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
    for module in modules(value):
        ours = twins.get(module['type'])
        if ours is not None:
            module['type'] = plain_twin(ours).__name__
            for option in own_options(ours):
                module.pop(option, None)
