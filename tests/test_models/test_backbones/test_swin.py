"""Swin: mmdet's network, frozen before anyone counts its parameters, with layers by number."""

import pytest
import torch
from mmdet.models.backbones import SwinTransformer as MMDetSwinTransformer
from mmdet.registry import MODELS
from torch import nn
from torch.nn.parallel import DistributedDataParallel

TINY = dict(embed_dims=8, depths=(1, 2, 3, 1), num_heads=(1, 2, 2, 4), window_size=4)


def build(**options):
    return MODELS.build(dict(type='mmpldc.SwinTransformer', **TINY, **options))


def test_is_mmdets_network():
    ours, mmdets = build(), MMDetSwinTransformer(**TINY)
    mmdets.load_state_dict(ours.state_dict())
    images = torch.randn(1, 3, 64, 96)
    outputs = ours.eval()(images)
    mmdets.eval()
    assert [tuple(y.shape[1:]) for y in outputs] == [
        (8, 16, 24),
        (16, 8, 12),
        (32, 4, 6),
        (64, 2, 3),
    ]
    for output, expected in zip(outputs, mmdets(images), strict=True):
        assert output.equal(expected)


def test_all_stages_frozen_is_everything_from_the_start():
    model = build(frozen_stages=4, drop_path_rate=0.9)
    assert not any(parameter.requires_grad for parameter in model.parameters())
    assert model.train() is model
    parts = [m for m in model.modules() if m not in (model, model.stages)]
    assert not any(module.training for module in parts)
    images = torch.randn(1, 3, 64, 64)
    for first, second in zip(model(images), model(images), strict=True):
        assert first.grad_fn is None
        assert first.equal(second)  # no stochastic depth


def test_some_stages_frozen():
    model = build(frozen_stages=2)
    trainable = {name.split('.')[0] for name, p in model.named_parameters() if p.requires_grad}
    assert trainable == {'stages', 'norm2', 'norm3'}
    assert not any(p.requires_grad for p in model.stages[:2].parameters())
    assert all(p.requires_grad for p in model.stages[2:].parameters())


def test_not_frozen_trains_all_of_it():
    model = build(drop_path_rate=0.0).train()
    sum(y.square().sum() for y in model(torch.randn(1, 3, 64, 64))).backward()
    for name, parameter in model.named_parameters():
        assert parameter.grad is not None, name


@pytest.mark.parametrize('frozen_stages', [4, -1])
def test_two_ranks_train_what_is_not_frozen(run_on_ranks, frozen_stages):
    """DistributedDataParallel waits for the gradient of each parameter that was trainable."""

    def train(rank):
        torch.manual_seed(0)
        model = nn.Sequential(build(frozen_stages=frozen_stages), Last(), nn.Conv2d(64, 1, 1))
        model = DistributedDataParallel(model)  # as mmengine: first wrapped, then put in train mode
        model.train()
        for _ in range(2):
            model.zero_grad()
            model(torch.randn(1, 3, 64, 64)).square().sum().backward()
        return model.module[2].weight.grad.flatten().tolist()

    first, second = run_on_ranks(train)
    assert any(first)
    assert first == second


class Last(nn.Module):
    """The last of several maps, and nothing of the others: they stay in the graph."""

    def forward(self, maps):
        return maps[-1] + 0 * sum(y.sum() for y in maps)


@pytest.mark.parametrize(
    ('name', 'layer'),
    [
        ('patch_embed.projection.weight', 0),
        ('patch_embed.norm.bias', 0),
        ('absolute_pos_embed', 0),
        ('stages.0.blocks.0.norm1.weight', 1),
        ('stages.0.downsample.reduction.weight', 1),
        ('stages.1.blocks.0.attn.w_msa.relative_position_bias_table', 2),
        ('stages.1.blocks.1.ffn.layers.1.bias', 3),
        ('stages.1.downsample.norm.weight', 3),
        ('stages.2.blocks.0.norm2.bias', 4),
        ('stages.2.blocks.2.norm2.bias', 6),
        ('stages.3.blocks.0.attn.w_msa.qkv.weight', 7),
        ('norm0.weight', 8),
        ('norm3.bias', 8),
    ],
)
@pytest.mark.parametrize('prefix', ['', 'student.backbone.'])
def test_layer_depth(name, layer, prefix):
    model = build(use_abs_pos_embed=True)
    assert name in dict(model.named_parameters())
    assert model.get_layer_depth(prefix + name, prefix) == (layer, 9)
