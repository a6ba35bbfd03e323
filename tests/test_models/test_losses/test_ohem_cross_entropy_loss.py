"""The registered OHEM loss in mmsegmentation's place for it."""

import pytest
import torch
from mmdet.registry import MODELS

from mmpldc.functional import hard_pixel_mean


def test_is_the_function_times_its_weight():
    loss = MODELS.build(dict(type='mmpldc.OHEMCrossEntropyLoss', min_kept=20, loss_weight=0.4))
    logits, labels = 3 * torch.randn(2, 4, 5, 5), torch.randint(0, 4, (2, 5, 5))
    labels[0, 0] = 7
    known = labels.where(labels != 7, 255)
    expected = hard_pixel_mean(logits, known, max_probability=0.7, min_kept=20)
    torch.testing.assert_close(loss(logits, labels, ignore_index=7), 0.4 * expected)
    assert loss.loss_name == 'loss_ce'


def test_refuses_another_choice_of_pixels():
    loss = MODELS.build(dict(type='mmpldc.OHEMCrossEntropyLoss'))
    with pytest.raises(ValueError, match='sampler=None'):
        loss(torch.zeros(1, 2, 1, 1), torch.zeros(1, 1, 1).long(), weight=torch.ones(1, 1, 1))


def test_in_a_decode_head():
    pytest.importorskip('mmseg')
    head = MODELS.build(
        dict(
            type='mmseg.FCNHead',
            in_channels=4,
            channels=4,
            num_convs=1,
            num_classes=3,
            loss_decode=dict(type='mmpldc.OHEMCrossEntropyLoss', min_kept=10, loss_weight=0.4),
        )
    )
    from mmengine.structures import PixelData
    from mmseg.structures import SegDataSample

    logits, labels = torch.randn(1, 3, 6, 6), torch.randint(0, 3, (1, 6, 6))
    sample = SegDataSample(gt_sem_seg=PixelData(data=labels))
    losses = head.loss_by_feat(logits, [sample])
    expected = hard_pixel_mean(logits, labels, max_probability=0.7, min_kept=10)
    torch.testing.assert_close(losses['loss_ce'], 0.4 * expected)
