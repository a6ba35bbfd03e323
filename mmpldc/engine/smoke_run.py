"""Shrink a run to a minute that still does everything once: ``tools/smoke.py``."""

import copy
from collections.abc import Iterator
from typing import Any

from mmengine.config import Config, ConfigDict

from .dry_run import LOCAL_BACKENDS

STEPS = 8
BURN_IN = 2
SAVED = 4  # step of the checkpoint that the second run resumes from
SIDE = 128  # of the images, pixels
NUM_VALIDATED = 4  # images
SIZES = ('scale', 'crop_size', 'size')  # of transforms: (width, height) or (height, width)


def smoke_config(cfg: Config) -> Config:
    """Return a config of eight steps on small images, of which six use pseudo-labels.

    Data, network, start and losses stay. The thresholds are 0, so that a teacher that has learnt
    nothing labels, too; :class:`~mmpldc.engine.hooks.SmokeRunHook` ends the run in an error if no
    pseudo-label reached the losses. Refiners and thresholds that set themselves are left out.

    Args:
        cfg: config of the full run; not modified.

    Raises:
        ValueError: if its model is no ``mmpldc.SemiMask2Former``, or learns from no pseudo-label.
    """
    own = copy.deepcopy(cfg)
    model = own.model
    if 'detector' not in model or 'pseudo_label_filter' not in model:
        raise ValueError(f'a smoke run needs model.type mmpldc.SemiMask2Former, not {model.type}')
    if model.get('unsup_weight', 1.0) == 0:
        raise ValueError(
            'the config is a supervised baseline, without pseudo-labels: smoke its pldc.py'
        )
    _shrink_images(own)
    own.resume = False
    own.train_cfg.update(max_iters=STEPS, val_interval=STEPS, val_begin=1, dynamic_intervals=None)
    if 'TeacherStudentValLoop' in str(own.get('val_cfg', {}).get('type')):
        own.val_cfg.student_interval = 1
    model.update(
        burn_in_iters=BURN_IN,
        burn_in='supervised',
        refiner=None,
        mask_refiner=None,
        class_thresholds=None,
        ignore_uncertain=False,
    )
    model.pseudo_label_filter.update(
        class_thr=0.0, mask_thr=0.0, score_thr=None, min_area=0, duplicate_iou=0.5
    )
    points = model.detector.train_cfg.get('num_points', 12544)
    model.detector.train_cfg.num_points = min(points, 1024)

    loader = own.train_dataloader
    batch_size = sum(loader.sampler.source_ratio)
    loader.batch_size = loader.sampler.batch_size = batch_size
    for one in (loader, own.val_dataloader):
        one.update(num_workers=0, persistent_workers=False)
        one.pop('prefetch_factor', None)
    own.val_dataloader.dataset.indices = NUM_VALIDATED
    hooks = own.default_hooks
    hooks.logger = (hooks.get('logger') or dict(type='LoggerHook')) | dict(interval=1)
    hooks.checkpoint.update(interval=SAVED, by_epoch=False, max_keep_ckpts=-1, save_best=None)
    hooks.pop('early_stopping', None)
    if 'mean_teacher' in hooks:
        hooks.mean_teacher.teacher_checkpoint = None
    backends = own.get('visualizer', {}).get('vis_backends')
    if backends:
        own.visualizer.vis_backends = [b for b in backends if b.type in LOCAL_BACKENDS]
    own.custom_hooks = [*(own.get('custom_hooks') or []), dict(type='mmpldc.SmokeRunHook')]
    return own


def _shrink_images(cfg: Config) -> None:
    """Scale all sizes of images by the same factor, to at most ``SIDE``, in place."""
    places = [
        cfg.train_dataloader.dataset,
        cfg.val_dataloader.dataset,
        cfg.model.data_preprocessor,
    ]
    sized = [pair for place in places for pair in _sizes(place)]
    trained = [max(owner[key]) for owner, key in _sizes(cfg.train_dataloader.dataset)]
    factor = SIDE / max(trained, default=SIDE)
    if factor < 1:
        for owner, key in sized:
            owner[key] = tuple(max(32, 32 * round(side * factor / 32)) for side in owner[key])


def _sizes(value: Any) -> Iterator[tuple[ConfigDict, str]]:
    """Dicts within a config, and their keys, that hold the size of an image."""
    if isinstance(value, dict):
        for key, part in value.items():
            is_pair = isinstance(part, tuple | list) and len(part) == 2
            if key in SIZES and is_pair and all(type(side) is int for side in part):
                yield value, key
            else:
                yield from _sizes(part)
    elif isinstance(value, list | tuple):
        for part in value:
            yield from _sizes(part)
