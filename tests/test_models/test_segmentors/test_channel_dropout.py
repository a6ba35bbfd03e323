"""UniMatch V2's network and its complementary dropout; V1's feature perturbation."""

from pathlib import Path

import numpy as np
import pytest
import torch
from mmdet.registry import MODELS
from mmengine.config import Config
from mmengine.structures import PixelData

pytest.importorskip('mmseg')
pytest.importorskip('timm')

from mmpldc.models.segmentors.channel_dropout import channel_dropout
from mmpldc.models.segmentors.student_view import StudentView
from mmpldc.structures.seg_training_sample import SegTrainingSample

CONFIG = Path(__file__).parents[3] / 'configs/semantic/voc/unimatch_v2.py'
VIT = dict(embed_dim=24, depth=4, num_heads=2, mlp_ratio=2, img_size=56)
SIZE = 56


def views(*settings: dict) -> list[StudentView]:
    return [StudentView(**one) for one in settings]


V2 = (
    dict(view='unsup_strong', feature_dropout=0.5),
    dict(view='unsup_strong_2', feature_dropout=0.5, complements='unsup_strong'),
)


def test_two_views_lose_complementary_channels_of_all_maps():
    dropout = channel_dropout(views(*V2), [2, 6, 6])
    tokens = torch.ones(14, 40)
    maps = dropout([[torch.ones(14, 40, 3, 3), tokens] for _ in range(4)])
    first = maps[0][0][:, :, 0, 0]
    for changed, same in maps:
        assert same is tokens  # which the head ignores
        assert torch.equal(changed, first[:, :, None, None].expand(14, 40, 3, 3))
    assert torch.equal(first[:2], torch.ones(2, 40))  # labelled
    assert torch.equal(first[2:8] + first[8:], torch.full((6, 40), 2.0))
    is_whole = (first[2:8] == 1).all(dim=1)
    assert is_whole.sum() == 3
    assert set(first[2:8][~is_whole].unique().tolist()) == {0.0, 2.0}


def test_v1_drops_channels_of_the_first_and_last_map_of_one_view():
    settings = views(dict(view='unsup_strong'), dict(view='unsup_weak', feature_dropout=0.5))
    maps = [torch.ones(6, 40, 2, 2) for _ in range(3)]
    found = channel_dropout(settings, [2, 2, 2])(maps)
    assert found[1] is maps[1] and not torch.equal(found[0], found[2])
    for changed in found[0], found[2]:
        assert torch.equal(changed[:4], maps[0][:4])
        assert set(changed[4:].unique().tolist()) == {0.0, 2.0}
    unchanged = channel_dropout(views(dict(view='unsup_weak')), [2, 2])(maps)
    assert all(one is other for one, other in zip(unchanged, maps, strict=True))


def test_complements_that_make_no_sense():
    with pytest.raises(ValueError, match=r'half of the channels, not 0\.3'):
        StudentView(view='unsup_strong', feature_dropout=0.3, complements='unsup_weak')
    cfg = small()
    cfg.model.student_views = cfg.model.student_views[::-1]
    with pytest.raises(ValueError, match='which is no view before it'):
        MODELS.build(cfg.model)


def small() -> Config:
    """The config with a transformer of four small layers, and one that labels surely."""
    cfg = Config.fromfile(CONFIG)
    cfg.model.backbone.update(VIT, out_indices=(0, 1, 2, 3), init_cfg=None)
    cfg.model.segmentor.decode_head.update(
        in_channels=(24,) * 4, embed_dims=24, post_process_channels=[8, 8, 8, 8], channels=8
    )
    cfg.model.reliability.threshold = 0.0
    return cfg


def sample(number: int, labeled: bool) -> SegTrainingSample:
    shape = (SIZE, SIZE)
    made = SegTrainingSample(
        metainfo=dict(
            img_path=f'{number}.png',
            img_shape=shape,
            ori_shape=shape,
            flip=False,
            flip_direction=None,
            homography_matrix=np.eye(3),
        )
    )
    if labeled:
        made.gt_sem_seg = PixelData(data=torch.randint(21, (1, *shape), dtype=torch.uint8))
    return made


def test_unimatch_v2_takes_a_step_and_predicts():
    torch.manual_seed(0)
    model = MODELS.build(small().model)
    model.train()
    model.set_progress(2, 10)
    inputs = dict(sup_weak=torch.randn(2, 3, SIZE, SIZE))
    samples = dict(sup_weak=[sample(i, True) for i in range(2)])
    for view in 'unsup_weak', 'unsup_strong', 'unsup_strong_2':
        inputs[view] = torch.randn(4, 3, SIZE, SIZE)
        samples[view] = [sample(9 + i, False) for i in range(4)]
    assert model.views[1] == ('unsup_weak', 'unsup_strong', 'unsup_strong_2')
    losses = model.loss(inputs, samples)
    total, _ = model.parse_losses(losses)
    total.backward()
    assert torch.isfinite(total) and losses['unsup_loss_ce'] > 0
    unused = {name for name, p in model.student.named_parameters() if p.grad is None}
    assert not unused
    assert all(parameter.grad is None for parameter in model.teacher.parameters())
    model.eval()
    with torch.no_grad():  # sides that are no multiples of 14
        (result,) = model(torch.randn(1, 3, 50, 61), None, mode='predict')
    assert result.pred_sem_seg.data.shape == (1, 50, 61)
