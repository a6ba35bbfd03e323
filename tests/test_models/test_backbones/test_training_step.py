"""A step of the method on each backbone: what learns, what stays, what the teacher takes over."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch
from mmdet.registry import MODELS
from mmdet.structures import DetDataSample
from mmdet.structures.mask import BitmapMasks
from mmengine.config import Config
from mmengine.optim import build_optim_wrapper
from mmengine.structures import InstanceData

from mmpldc.engine import MeanTeacherHook

SIZE = 64
KEEP_RATE = 0.75
BRANCHES = ('sup_weak', 'sup_strong', 'unsup_weak', 'unsup_strong')
SWIN = dict(
    type='mmpldc.SwinTransformer',
    embed_dims=8,
    depths=(1, 1, 2, 1),
    num_heads=(1, 2, 2, 4),
    window_size=4,
    drop_path_rate=0.3,
)
VIT = dict(
    type='mmpldc.PlainViT',
    arch=dict(embed_dims=16, num_layers=2, num_heads=2, feedforward_channels=32),
    patch_size=14,
    img_size=28,
    layer_scale_init_value=1e-2,
    drop_path_rate=0.3,
)
NECK = dict(type='mmpldc.SimpleFeaturePyramid', in_channels=16, out_channels=16)
SETUPS = {  # backbone, detector, optim_wrapper
    'swin-frozen': (SWIN | dict(frozen_stages=4), dict(), dict()),
    'swin-tenth': (
        SWIN,
        dict(),
        dict(paramwise_cfg=dict(custom_keys=dict(backbone=dict(lr_mult=0.1)))),
    ),
    'vit-frozen': (
        VIT | dict(frozen=True),
        dict(neck=NECK, panoptic_head=dict(in_channels=[16] * 4)),
        dict(),
    ),
    'vit-layer-decay': (
        VIT,
        dict(neck=NECK, panoptic_head=dict(in_channels=[16] * 4)),
        dict(
            constructor='mmpldc.LayerDecayOptimWrapperConstructor',
            paramwise_cfg=dict(layer_decay_rate=0.8),
        ),
    ),
}


class Labelled:
    metainfo = dict(classes=('a', 'b', 'c'))

    def __len__(self) -> int:
        return 2


def make_batch():
    """Inputs and samples of the four branches, each one image with a square."""
    masks = np.zeros((1, SIZE, SIZE), np.uint8)
    masks[0, 8:40, 16:56] = 1
    inputs, samples = {}, {}
    for branch in BRANCHES:
        inputs[branch] = torch.randn(1, 3, SIZE, SIZE)
        sample = DetDataSample(
            metainfo=dict(
                img_id=branch.split('_')[0],
                img_shape=(SIZE, SIZE),
                ori_shape=(SIZE, SIZE),
                batch_input_shape=(SIZE, SIZE),
                flip=False,
                homography_matrix=np.eye(3),
            )
        )
        sample.gt_instances = InstanceData(
            labels=torch.tensor([1]), masks=BitmapMasks(masks, SIZE, SIZE)
        )
        samples[branch] = [sample]
    return inputs, samples


def weights_of(module):
    return {name: value.clone() for name, value in module.state_dict().items()}


def differing(before, after):
    return {name for name in before if not before[name].equal(after[name])}


@pytest.mark.parametrize('setup', SETUPS)
def test_one_step(tiny_model_cfg, setup):
    if setup.startswith('vit'):
        pytest.importorskip('mmpretrain')
    backbone, detector, optim_wrapper = SETUPS[setup]
    config = Config(dict(model=tiny_model_cfg))
    config.merge_from_dict({'model.detector': detector, 'model.burn_in_iters': 0})
    model = MODELS.build(dict(config.model, backbone=backbone))
    model.init_weights()
    optimizer = build_optim_wrapper(
        model,
        dict(
            type='OptimWrapper',
            optimizer=dict(type='AdamW', lr=1e-3, weight_decay=0.05),
            **optim_wrapper,
        ),
    )
    hook = MeanTeacherHook(keep_rate=KEEP_RATE)
    dataset = Labelled()
    runner = SimpleNamespace(
        model=model,
        iter=0,
        max_iters=4,
        optim_wrapper=SimpleNamespace(),  # without gradient accumulation
        train_dataloader=SimpleNamespace(dataset=dataset),
        hooks=[],
    )
    hook.before_train(runner)
    model.train()
    before = weights_of(model.student)
    assert not differing(before, weights_of(model.teacher))

    hook.before_train_iter(runner, 0)
    losses = model.loss(*make_batch())
    total, _ = model.parse_losses(losses)
    assert any(name.startswith('unsup_') for name in losses)
    assert all(value.isfinite().all() for value in losses.values())
    optimizer.update_params(total)
    hook.after_train_iter(runner, 0)

    student, teacher = weights_of(model.student), weights_of(model.teacher)
    learnt = differing(before, student)
    of_backbone = {name for name in before if name.startswith('backbone.')}
    floating = {name for name in before if before[name].is_floating_point()}
    if 'frozen' in setup:
        assert not learnt & of_backbone
        assert not differing(before, teacher) & of_backbone
    else:
        assert {name.split('.')[1] for name in learnt & of_backbone} >= {
            'swin': {'patch_embed', 'stages', 'norm0', 'norm3'},
            'vit': {'vit'},
        }[setup.split('-')[0]]
        assert len(learnt & of_backbone) > 0.9 * len(of_backbone & floating)
    assert any(name.startswith('panoptic_head.') for name in learnt)
    assert any(name.startswith('neck.') for name in learnt) == setup.startswith('vit')
    for name in floating:
        expected = KEEP_RATE * before[name] + (1 - KEEP_RATE) * student[name]
        torch.testing.assert_close(teacher[name], expected, msg=name)
