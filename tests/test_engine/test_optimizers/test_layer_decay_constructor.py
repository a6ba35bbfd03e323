"""Learning rate and weight decay of each parameter, by hand."""

import pytest
import torch
from mmdet.registry import MODELS
from mmengine.model import BaseModule
from mmengine.optim import build_optim_wrapper
from torch import nn

import mmpldc.engine  # noqa: F401, registers the constructor

LR, DECAY, RATE = 0.01, 0.05, 0.5
ATTENTION = 'attn.w_msa'


class Backbone(nn.Module):
    """A stem, 2 layers and a norm, with one parameter of each kind."""

    def __init__(self):
        super().__init__()
        self.pos_embed = nn.Parameter(torch.zeros(1, 4, 2))
        self.cls_token = nn.Parameter(torch.zeros(1, 1, 2))
        self.stem = nn.Conv2d(3, 2, 1)
        self.layers = nn.ModuleList(Layer() for _ in range(2))
        self.norm = nn.LayerNorm(2)

    def get_layer_depth(self, param_name, prefix=''):
        assert param_name.startswith(prefix)
        name = param_name.removeprefix(prefix)
        if name.startswith('layers.'):
            return int(name.split('.')[1]) + 1, 4
        return (3 if name.startswith('norm.') else 0), 4


class Layer(nn.Module):
    def __init__(self):
        super().__init__()
        self.linear = nn.Linear(2, 2)
        self.norm = nn.LayerNorm(2)
        self.relative_position_bias_table = nn.Parameter(torch.zeros(9, 2))
        self.gamma = nn.Parameter(torch.ones(2))


class Detector(nn.Module):
    def __init__(self):
        super().__init__()
        self.backbone = Backbone()
        self.neck = nn.Conv2d(2, 2, 1)
        self.norm = nn.GroupNorm(1, 2)
        self.query_embed = nn.Embedding(3, 2)


class Pair(BaseModule):
    """A student and a teacher without gradients."""

    def __init__(self):
        super().__init__()
        self.student, self.teacher = Detector(), Detector()
        self.teacher.requires_grad_(False)


def options_of(model, **paramwise):
    """Per parameter: learning rate and weight decay, as the optimiser has them."""
    wrapper = build_optim_wrapper(
        model,
        dict(
            type='OptimWrapper',
            optimizer=dict(type='AdamW', lr=LR, weight_decay=DECAY),
            constructor='mmpldc.LayerDecayOptimWrapperConstructor',
            paramwise_cfg=paramwise,
        ),
    )
    names = {parameter: name for name, parameter in model.named_parameters()}
    return {
        names[parameter]: (group['lr'], group['weight_decay'])
        for group in wrapper.optimizer.param_groups
        for parameter in group['params']
    }


def test_each_layer_by_hand():
    options = options_of(Pair(), layer_decay_rate=RATE)
    expected = {  # 0.5 ** (2 + 1 - layer)
        'backbone.pos_embed': (LR / 8, 0),
        'backbone.cls_token': (LR / 8, 0),
        'backbone.stem.weight': (LR / 8, DECAY),
        'backbone.stem.bias': (LR / 8, 0),
        'backbone.norm.weight': (LR, 0),
        'backbone.norm.bias': (LR, 0),
        'neck.weight': (LR, DECAY),
        'neck.bias': (LR, DECAY),
        'norm.weight': (LR, DECAY),
        'norm.bias': (LR, DECAY),
        'query_embed.weight': (LR, DECAY),
    }
    for layer, lr in ((0, LR / 4), (1, LR / 2)):
        expected |= {
            f'backbone.layers.{layer}.linear.weight': (lr, DECAY),
            f'backbone.layers.{layer}.linear.bias': (lr, 0),
            f'backbone.layers.{layer}.norm.weight': (lr, 0),
            f'backbone.layers.{layer}.norm.bias': (lr, 0),
            f'backbone.layers.{layer}.relative_position_bias_table': (lr, 0),
            f'backbone.layers.{layer}.gamma': (lr, 0),
        }
    # nothing of the teacher, nothing twice
    assert options == {f'student.{name}': pytest.approx(value) for name, value in expected.items()}


def test_mmengines_options_hold_and_multiply():
    options = options_of(
        Pair(),
        layer_decay_rate=RATE,
        norm_decay_mult=0.0,
        custom_keys={
            'query_embed': dict(decay_mult=0.0),
            'backbone.layers.1': dict(lr_mult=0.1, decay_mult=2.0),
        },
    )
    assert options['student.norm.weight'] == (LR, 0)
    assert options['student.neck.bias'] == (LR, DECAY)
    assert options['student.query_embed.weight'] == (LR, 0)
    weight, bias = (options[f'student.backbone.layers.1.linear.{n}'] for n in ('weight', 'bias'))
    assert weight == pytest.approx((LR / 2 * 0.1, 2 * DECAY))
    assert bias == pytest.approx((LR / 2 * 0.1, 0))


def test_frozen_layers_are_left_out():
    model = Pair()
    model.student.backbone.layers[0].requires_grad_(False)
    names = options_of(model, layer_decay_rate=RATE)
    assert not any(name.startswith('student.backbone.layers.0') for name in names)
    assert 'student.backbone.layers.1.linear.weight' in names
    model.student.backbone.requires_grad_(False)
    assert not any('backbone' in name for name in options_of(model, layer_decay_rate=RATE))


def test_a_rate_of_1_keeps_the_learning_rate():
    assert {lr for lr, _ in options_of(Pair(), layer_decay_rate=1).values()} == {LR}


@pytest.mark.parametrize(
    'paramwise', [dict(), dict(layer_decay_rate=0), dict(layer_decay_rate=1.5)]
)
def test_rate_must_be_given(paramwise):
    with pytest.raises(ValueError, match=r'layer_decay_rate=\.\.\.\) in \(0, 1\], got'):
        options_of(Pair(), **paramwise)


def test_a_model_without_depths_is_refused():
    with pytest.raises(ValueError, match='found no backbone with get_layer_depth'):
        options_of(nn.Linear(2, 2), layer_decay_rate=RATE)


@pytest.mark.parametrize(
    ('backbone', 'expected'),
    [
        (
            dict(
                type='mmpldc.TimmBackbone',
                name='vit_small_patch14_reg4_dinov2',
                embed_dim=8,
                depth=3,
                num_heads=2,
                img_size=28,
                out_indices=(2,),
            ),
            {
                'net.cls_token': (LR * RATE**4, 0),
                'net.reg_token': (LR * RATE**4, 0),
                'net.pos_embed': (LR * RATE**4, 0),
                'net.patch_embed.proj.weight': (LR * RATE**4, DECAY),
                'net.blocks.0.attn.qkv.weight': (LR * RATE**3, DECAY),
                'net.blocks.0.ls1.gamma': (LR * RATE**3, 0),
                'net.blocks.2.mlp.fc1.weight': (LR * RATE, DECAY),
                'net.blocks.2.mlp.fc1.bias': (LR * RATE, 0),
                'net.norm.weight': (LR, 0),
            },
        ),
        (
            dict(
                type='mmpldc.TimmBackbone',
                name='convnext_tiny',
                dims=(8, 8, 8, 8),
                depths=(1, 1, 2, 1),
                out_indices=(0, 1, 2, 3),
                norm_maps=True,
            ),
            {
                'net.stem.0.weight': (LR * RATE**6, DECAY),
                'net.stages.0.blocks.0.gamma': (LR * RATE**5, 0),
                'net.stages.2.downsample.1.weight': (LR * RATE**3, DECAY),
                'net.stages.2.blocks.1.conv_dw.weight': (LR * RATE**2, DECAY),
                'norms.0.weight': (LR, 0),
            },
        ),
        (
            dict(
                type='mmpldc.SwinTransformer',
                embed_dims=8,
                depths=(1, 1, 2, 1),
                num_heads=(1, 1, 2, 2),
                use_abs_pos_embed=True,
            ),
            {
                'absolute_pos_embed': (LR * RATE**6, 0),
                'patch_embed.projection.weight': (LR * RATE**6, DECAY),
                f'stages.0.blocks.0.{ATTENTION}.qkv.weight': (LR * RATE**5, DECAY),
                f'stages.2.blocks.1.{ATTENTION}.relative_position_bias_table': (LR * RATE**2, 0),
                'stages.2.downsample.reduction.weight': (LR * RATE**2, DECAY),
                'stages.3.blocks.0.norm1.weight': (LR * RATE, 0),
                'norm3.weight': (LR, 0),
            },
        ),
    ],
    ids=['vit', 'convnext', 'swin'],
)
def test_real_backbones(backbone, expected):
    if backbone['type'] == 'mmpldc.TimmBackbone':
        pytest.importorskip('timm')
    model = nn.ModuleDict(dict(student=nn.ModuleDict(dict(backbone=MODELS.build(backbone)))))
    options = options_of(model, layer_decay_rate=RATE)
    assert options.keys() == dict(model.named_parameters()).keys()
    for name, value in expected.items():
        assert options[f'student.backbone.{name}'] == pytest.approx(value), name
