"""A run shrunk to a minute: what changes, what stays, and the error without pseudo-labels."""

import logging
from pathlib import Path
from types import SimpleNamespace

import pytest
from mmengine.config import Config

from mmpldc.engine.hooks import SmokeRunHook
from mmpldc.engine.smoke_run import SIDE, smoke_config

CONFIGS = Path(__file__).parents[2] / 'configs'


@pytest.mark.parametrize(
    'name',
    [
        'custom/pldc_mask2former_r50_custom',
        'pldc/pldc_aaai_mask2former_r50_coco_10pct',
        'guided_distillation/guided_distillation_mask2former_r50_coco_10pct',
        'quickstart/pldc',
    ],
)
def test_smoke_config(name):
    cfg = Config.fromfile(CONFIGS / f'{name}.py')
    before = cfg.to_dict()
    own = smoke_config(cfg)
    assert cfg.to_dict() == before
    assert own.train_cfg.max_iters == own.train_cfg.val_interval == 8
    assert own.model.burn_in_iters == 2 and own.model.burn_in == 'supervised'
    assert own.model.refiner is own.model.class_thresholds is None
    assert own.train_dataloader.batch_size == own.train_dataloader.sampler.batch_size == 2
    assert own.model.detector.panoptic_head == cfg.model.detector.panoptic_head
    assert own.model.backbone == cfg.model.backbone
    crops = [
        transform['crop_size']
        for part in own.train_dataloader.dataset.values()
        if isinstance(part, dict)
        for transform in part.get('pipeline', ())
        if 'crop_size' in transform
    ]
    assert crops and all(max(crop) <= SIDE and crop[0] % 32 == 0 for crop in crops)
    for pad in own.model.data_preprocessor.data_preprocessor.get('batch_augments') or ():
        assert tuple(pad['size']) == tuple(crops[0])


def test_a_baseline_is_refused():
    cfg = Config.fromfile(CONFIGS / 'quickstart/supervised.py')
    with pytest.raises(ValueError, match='supervised baseline'):
        smoke_config(cfg)


@pytest.mark.parametrize(
    ('outputs', 'words'),
    [
        ([dict(loss=1.0)], 'made no pseudo-label'),
        ([dict(loss=1.0, pseudo_per_image=0.0, unsup_loss_cls=0.5)], 'made no pseudo-label'),
        ([dict(loss=1.0, pseudo_per_image=2.0, unsup_loss_cls=0.0)], 'their loss was 0'),
    ],
)
def test_a_run_without_pseudo_labels_fails(outputs, words):
    hook = SmokeRunHook()
    runner = SimpleNamespace(logger=logging.getLogger('smoke'))
    for one in outputs:
        hook.after_train_iter(runner, 0, outputs=one)
    with pytest.raises(RuntimeError, match=words):
        hook.after_train(runner)
    hook.after_train_iter(runner, 1, outputs=dict(pseudo_per_image=1.0, unsup_loss_dice=0.2))
    hook.after_train(runner)
