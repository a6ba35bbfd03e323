"""A step of semantic segmentation on each backbone, with the decoder that its file names."""

from pathlib import Path

import numpy as np
import pytest
import torch
from mmdet.registry import MODELS
from mmengine.config import Config
from mmengine.structures import PixelData

pytest.importorskip('mmseg')

from mmpldc.structures.seg_training_sample import SegTrainingSample

CONFIGS = Path(__file__).parents[3] / 'configs'
NAMES = sorted(path.stem for path in (CONFIGS / '_base_/backbones').glob('*.py'))
SIZE = 70
SMALL = {  # by the first letters: options of the backbone, channels of its maps
    'r': (dict(depth=18, base_channels=8, stem_channels=8), [8, 16, 32, 64]),
    'swin': (
        dict(embed_dims=8, depths=[1, 1, 1, 1], num_heads=[1, 1, 2, 2], window_size=4),
        [8, 16, 32, 64],
    ),
    'dinov3_convnext': (dict(dims=(8, 8, 16, 16), depths=(1, 1, 1, 1)), [8, 8, 16, 16]),
    'dinov': (
        dict(embed_dim=16, depth=4, num_heads=2, img_size=28, out_indices=(0, 1, 2, 3)),
        [16] * 4,
    ),
}


def small(name: str, mode: str) -> Config:
    """UniMatch on VOC over a small backbone of that kind."""
    cfg = Config.fromfile(CONFIGS / 'semantic/voc/unimatch.py')
    backbone = Config.fromfile(CONFIGS / f'_base_/backbones/{name}.py')
    cfg.merge_from_dict(dict(model=backbone.semantic[mode]))
    options, channels = next(value for key, value in SMALL.items() if name.startswith(key))
    cfg.model.backbone.update(options, init_cfg=None)
    head = cfg.model.segmentor.decode_head
    head.channels = 8
    if head.type == 'mmseg.DepthwiseSeparableASPPHead':
        head.update(in_channels=channels[3], c1_in_channels=channels[0], c1_channels=4)
    else:
        head.in_channels = channels
    if head.type == 'mmseg.DPTHead':
        head.update(embed_dims=16, post_process_channels=[8, 8, 8, 8])
    text = cfg.pretty_text.replace('SyncBN', 'BN')
    cfg = Config.fromstring(text, '.py')
    cfg.model.reliability.threshold = 0.0
    return cfg


def sample(number: int, labeled: bool) -> SegTrainingSample:
    made = SegTrainingSample(
        metainfo=dict(
            img_path=f'{number}.png',
            img_shape=(SIZE, SIZE),
            ori_shape=(SIZE, SIZE),
            flip=False,
            flip_direction=None,
            homography_matrix=np.eye(3),
        )
    )
    if labeled:
        labels = torch.randint(21, (1, SIZE, SIZE), dtype=torch.uint8)
        made.gt_sem_seg = PixelData(data=labels)
    return made


@pytest.mark.slow
@pytest.mark.parametrize('name', NAMES)
@pytest.mark.parametrize('mode', ['frozen', 'tuned'])
def test_one_step(name, mode):
    if name.startswith('dino'):
        pytest.importorskip('timm')
    torch.manual_seed(0)
    model = MODELS.build(small(name, mode).model)
    model.train()
    model.set_progress(2, 10)
    inputs = dict(sup_weak=torch.randn(2, 3, SIZE, SIZE))
    samples = dict(sup_weak=[sample(i, True) for i in range(2)])
    for view in 'unsup_weak', 'unsup_strong', 'unsup_strong_2':
        inputs[view] = torch.randn(2, 3, SIZE, SIZE)
        samples[view] = [sample(9 + i, False) for i in range(2)]
    losses = model.loss(inputs, samples)
    total, _ = model.parse_losses(losses)
    total.backward()
    assert torch.isfinite(total) and losses['unsup_loss_ce'] > 0
    for key, parameter in model.student.named_parameters():
        assert parameter.requires_grad == (mode == 'tuned' or not key.startswith('backbone.')), key
        assert (parameter.grad is not None) == parameter.requires_grad, key
    model.eval()
    with torch.no_grad():  # sides that are no multiples of a patch
        (result,) = model(torch.randn(1, 3, 50, 61), None, mode='predict')
    assert result.pred_sem_seg.data.shape == (1, 50, 61)
