"""A step of the method on each backbone: what learns, what stays, what the teacher takes over."""

from pathlib import Path
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

from mmpldc.engine.hooks import MeanTeacherHook

SIZE = 64
KEEP_RATE = 0.75
BRANCHES = ('sup_weak', 'sup_strong', 'unsup_weak', 'unsup_strong')
BACKBONES = Path(__file__).parents[3] / 'configs/_base_/backbones'
NAMES = sorted(path.stem for path in BACKBONES.glob('*.py'))


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


@pytest.mark.parametrize('name', NAMES)
@pytest.mark.parametrize('mode', ['frozen', 'tuned'])
def test_one_step(tiny_model_cfg, shrink, name, mode):
    if name.startswith('dino'):
        pytest.importorskip('timm')
    backbone = Config.fromfile(BACKBONES / f'{name}.py')
    config = Config(dict(model=tiny_model_cfg))
    del config.model.backbone.init_cfg
    config.merge_from_dict(dict(model=dict(backbone.instance[mode], burn_in_iters=0)))
    model = MODELS.build(shrink(config).model)
    model.init_weights()
    optim_wrapper = dict(
        type='OptimWrapper', optimizer=dict(type='AdamW', lr=1e-3, weight_decay=0.05)
    )
    if mode == 'tuned':
        optim_wrapper |= backbone.instance.optim_wrapper.to_dict()
    optimizer = build_optim_wrapper(model, optim_wrapper)
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
    assert any(key.startswith('unsup_') for key in losses)
    assert all(value.isfinite().all() for value in losses.values())
    optimizer.update_params(total)
    hook.after_train_iter(runner, 0)

    student, teacher = weights_of(model.student), weights_of(model.teacher)
    learnt = differing(before, student)
    of_backbone = {key for key in before if key.startswith('backbone.')}
    floating = {key for key in before if before[key].is_floating_point()}
    if mode == 'frozen':
        assert not learnt & of_backbone
        assert not differing(before, teacher) & of_backbone
    else:
        assert len(learnt & of_backbone) > 0.9 * len(of_backbone & floating)
    assert any(key.startswith('panoptic_head.') for key in learnt)
    is_vit = name.startswith(('dinov2', 'dinov3')) and 'convnext' not in name
    assert any(key.startswith('neck.') for key in learnt) == is_vit
    for key in floating:
        expected = KEEP_RATE * before[key] + (1 - KEEP_RATE) * student[key]
        torch.testing.assert_close(teacher[key], expected, msg=key)
