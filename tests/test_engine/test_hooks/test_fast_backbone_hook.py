"""Options that change how the backbones are computed, and no value."""

import logging
from types import SimpleNamespace

import pytest
import torch
from mmdet.registry import MODELS
from torch import nn

from mmpldc.engine.hooks import FastBackboneHook


@pytest.fixture
def model(tiny_model_cfg):
    return MODELS.build(tiny_model_cfg).eval()


@pytest.mark.parametrize(
    'options',
    [
        dict(channels_last=True),
        pytest.param(dict(channels_last=False, compile=True), marks=pytest.mark.long),
    ],
)
def test_values_stay_and_the_option_is_at_work(model, options, monkeypatch):
    images = torch.randn(2, 3, 64, 64)
    expected = [map_.clone() for map_ in model.student.extract_feat(images)]
    names = list(model.state_dict())
    FastBackboneHook(**options).before_train(SimpleNamespace(model=model))
    found = model.student.extract_feat(images)
    for one, other in zip(found, expected, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-5)
        if options['channels_last']:
            assert one.is_contiguous(memory_format=torch.channels_last)
    if options.get('compile'):
        assert torch._dynamo.utils.counters['stats']['calls_captured'] > 0
    assert list(model.state_dict()) == names
    assert (
        model.teacher.backbone.conv1.weight.is_contiguous(memory_format=torch.channels_last)
        == options['channels_last']
    )


def test_a_frozen_backbone_computes_in_bfloat16(model):
    backbone = model.student.backbone
    model.requires_grad_(False)
    images = torch.randn(2, 3, 64, 64)
    expected = model.student.extract_feat(images)
    seen = []
    backbone.conv1.register_forward_hook(lambda *args: seen.append(args[2].dtype))
    FastBackboneHook(dtype='bfloat16').before_train(SimpleNamespace(model=model))
    found = model.student.extract_feat(images)
    assert seen[-1] == torch.bfloat16
    for one, other in zip(found, expected, strict=True):
        assert one.dtype == torch.float32 and not one.equal(other)
        assert (one - other).norm() < 0.03 * other.norm()
    assert {value.dtype for value in model.state_dict().values()} <= {
        torch.float32, torch.int64, torch.bool
    }  # fmt: skip


class WithTokens(nn.Conv2d):
    """A feature map and a class token for each stage, as of a vision transformer."""

    def forward(self, images):
        found = super().forward(images)
        return [(found, found.mean(dim=(2, 3)))]


def test_class_tokens_are_converted_too():
    backbone = WithTokens(3, 4, 1).requires_grad_(False)
    pair = SimpleNamespace(backbone=backbone)
    model = SimpleNamespace(student=pair, teacher=SimpleNamespace(backbone=WithTokens(3, 4, 1)))
    FastBackboneHook(dtype='bfloat16').before_train(SimpleNamespace(model=model))
    ((feature_map, token),) = backbone(torch.randn(1, 3, 8, 8))
    assert feature_map.dtype == token.dtype == torch.float32


def test_a_backbone_that_trains_stays_in_float32(model, caplog):
    model.requires_grad_(True)
    runner = SimpleNamespace(model=model, logger=logging.getLogger())
    FastBackboneHook(dtype='bfloat16').before_train(runner)
    assert 'computes in float32' in caplog.text
    seen = []
    model.student.backbone.conv1.register_forward_hook(lambda *args: seen.append(args[2].dtype))
    model.student.extract_feat(torch.randn(1, 3, 64, 64))
    assert seen == [torch.float32]
