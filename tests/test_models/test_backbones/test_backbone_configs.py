"""The backbones' variables hold their sources' numbers, and an experiment takes them in."""

from pathlib import Path

import mmdet
import pytest
from mmdet.registry import MODELS
from mmengine.config import Config
from mmengine.optim import build_optim_wrapper

import mmpldc.engine  # noqa: F401, registers the optimiser's constructor

mmpretrain = pytest.importorskip('mmpretrain')
BASES = Path(__file__).parents[3] / 'configs/_base_'
MMDET = Path(mmdet.__file__).parent / '.mim/configs'
MMPRETRAIN = Path(mmpretrain.__file__).parent / '.mim/configs'
LR, DECAY = 1e-4, 1e-4  # of the schedule
HEAD = {  # as the schedule has them
    'student.panoptic_head.query_embed.weight': (LR, 0),
    'student.panoptic_head.cls_embed.weight': (LR, DECAY),
}
EXPERIMENTS = {
    'swin_l-frozen': """
        model = dict(
            backbone=dict(_delete_=True, frozen_stages=4, **_base_.swin_l),
            detector=_base_.swin_l_detector,
        )
    """,
    'swin_l-tuned': """
        model = dict(
            backbone=dict(_delete_=True, **_base_.swin_l), detector=_base_.swin_l_detector
        )
        optim_wrapper = dict(paramwise_cfg=_base_.swin_l_paramwise)
    """,
    'dinov2_vit_l-frozen': """
        model = dict(
            backbone=dict(_delete_=True, frozen=True, **_base_.dinov2_vit_l),
            detector=_base_.dinov2_vit_l_detector,
        )
    """,
    'dinov2_vit_l-tuned': """
        model = dict(
            backbone=dict(_delete_=True, **_base_.dinov2_vit_l),
            detector=_base_.dinov2_vit_l_detector,
        )
        optim_wrapper = _base_.dinov2_vit_l_optim_wrapper
    """,
}


def experiment(tmp_path, name) -> Config:
    """The config of an experiment as a user writes it."""
    bases = [
        BASES / 'models/mask2former_r50.py',
        BASES / 'schedules/pldc_368k.py',
        BASES / f'backbones/{name.split("-")[0]}.py',
    ]
    lines = [line.removeprefix(' ' * 8) for line in EXPERIMENTS[name].splitlines()]
    path = tmp_path / 'experiment.py'
    path.write_text('\n'.join([f'_base_ = {[str(base) for base in bases]}', *lines]))
    return Config.fromfile(path)


def shrink(config) -> None:
    """The same layers with few channels, so that it builds in no time."""
    backbone = config.model.backbone
    backbone.init_cfg = None
    if 'embed_dims' in backbone:
        backbone.embed_dims, backbone.num_heads = 4, [1, 1, 1, 1]
        config.model.detector.panoptic_head.in_channels = [4, 8, 16, 32]
    else:
        backbone.arch = dict(embed_dims=4, num_layers=24, num_heads=1, feedforward_channels=4)
        config.model.detector.neck.in_channels = 4
    config.model.detector.panoptic_head.transformer_decoder.num_layers = 1
    config.model.detector.panoptic_head.pixel_decoder.encoder.num_layers = 1


def built(config):
    """The model, and per trainable parameter its learning rate and weight decay."""
    shrink(config)
    model = MODELS.build(config.model)
    wrapper = build_optim_wrapper(model, config.optim_wrapper)
    names = {parameter: name for name, parameter in model.named_parameters()}
    return model, {
        names[parameter]: (group['lr'], group['weight_decay'])
        for group in wrapper.optimizer.param_groups
        for parameter in group['params']
    }


@pytest.mark.parametrize('name', EXPERIMENTS)
def test_experiment_replaces_the_backbone_and_keeps_the_rest(tmp_path, name):
    config = experiment(tmp_path, name)
    assert '_delete_' not in config.model.backbone
    assert 'depth' not in config.model.backbone  # nothing of the ResNet
    assert config.model.detector.panoptic_head.feat_channels == 256
    assert config.optim_wrapper.clip_grad.max_norm == 0.01
    model, options = built(config)
    head = model.student.panoptic_head
    assert head.num_queries == (200 if name.startswith('swin') else 100)
    assert not any(name.startswith('teacher.') for name in options)
    assert options.keys() == {n for n, p in model.named_parameters() if p.requires_grad}
    assert any('backbone' in name for name in options) == name.endswith('tuned')
    for parameter, value in HEAD.items():
        assert options[parameter] == pytest.approx(value)


@pytest.mark.slow
@pytest.mark.parametrize('name', EXPERIMENTS)
def test_a_dumped_experiment_reads_the_same(tmp_path, name):
    """As the Runner dumps it, with keys that have dots."""
    config = experiment(tmp_path, name)
    config.dump(tmp_path / 'dumped.py')
    assert Config.fromfile(tmp_path / 'dumped.py').to_dict() == config.to_dict()


def test_swin_l_is_mmdets():
    theirs = Config.fromfile(
        MMDET / 'mask2former/mask2former_swin-l-p4-w12-384-in21k_16xb1-lsj-100e_coco-panoptic.py'
    )
    ours = Config.fromfile(BASES / 'backbones/swin_l.py')
    backbone = theirs.model.backbone.to_dict()
    assert backbone.pop('frozen_stages') == -1
    assert ours.swin_l.to_dict() == backbone | dict(type='mmpldc.SwinTransformer')
    head = theirs.model.panoptic_head
    assert ours.swin_l_detector.panoptic_head == dict(
        in_channels=head.in_channels, num_queries=head.num_queries
    )
    keys = theirs.optim_wrapper.paramwise_cfg.custom_keys.to_dict()
    of_the_head = {'query_embed', 'query_feat', 'level_embed'}
    assert ours.swin_l_paramwise.custom_keys == {
        key: value for key, value in keys.items() if key not in of_the_head
    }


def test_dinov2_is_mmpretrains():
    theirs = Config.fromfile(MMPRETRAIN / 'dinov2/vit-large-p14_dinov2-pre_headless.py')
    ours = Config.fromfile(BASES / 'backbones/dinov2_vit_l.py').dinov2_vit_l
    backbone = theirs.model.backbone.to_dict()
    assert backbone.pop('type') == 'VisionTransformer'
    assert {key: ours[key] for key in backbone} == backbone
    assert ours.init_cfg.checkpoint in (MMPRETRAIN / 'dinov2/metafile.yml').read_text()
    pixels = Config.fromfile(BASES / 'models/mask2former_r50.py').model.data_preprocessor
    for key in ('mean', 'std'):
        assert pixels.data_preprocessor[key] == theirs.data_preprocessor[key]


def test_rates_of_swin_l_by_hand(tmp_path):
    _, options = built(experiment(tmp_path, 'swin_l-tuned'))
    lr = LR / 10
    for name, decay in {
        'patch_embed.projection.weight': DECAY,
        'patch_embed.norm.weight': 0,
        'stages.2.blocks.10.norm1.weight': 0,
        'stages.2.blocks.10.attn.w_msa.qkv.weight': DECAY,
        'stages.2.blocks.10.attn.w_msa.qkv.bias': DECAY,
        'stages.2.blocks.17.attn.w_msa.relative_position_bias_table': 0,
        'stages.1.downsample.norm.bias': 0,
        'stages.1.downsample.reduction.weight': DECAY,
        'norm3.weight': 0,
    }.items():
        assert options[f'student.backbone.{name}'] == pytest.approx((lr, decay)), name


def test_rates_of_dinov2_by_hand(tmp_path):
    _, options = built(experiment(tmp_path, 'dinov2_vit_l-tuned'))
    for name, (power, decay) in {  # 0.8 ** (24 + 1 - layer)
        'backbone.vit.pos_embed': (25, 0),
        'backbone.vit.patch_embed.projection.weight': (25, DECAY),
        'backbone.vit.layers.0.attn.qkv.weight': (24, DECAY),
        'backbone.vit.layers.0.attn.qkv.bias': (24, 0),
        'backbone.vit.layers.23.ffn.layers.1.weight': (1, DECAY),
        'backbone.vit.ln1.weight': (0, 0),
        'neck.scales.0.0.weight': (0, DECAY),
        'neck.scales.0.1.weight': (0, 0),
    }.items():
        expected = LR * 0.8**power, decay
        assert options[f'student.{name}'] == pytest.approx(expected), name


@pytest.mark.slow
@pytest.mark.parametrize(
    ('name', 'millions'),
    [
        # mmpretrain's tables: Swin-L at 384 with a classifier of 1000 classes, DINOv2 without one
        ('swin_l', 196.74 - 1.537),
        ('dinov2_vit_l', 304.0),
    ],
)
def test_number_of_parameters(name, millions):
    config = Config.fromfile(BASES / f'backbones/{name}.py')[name]
    model = MODELS.build(dict(config, init_cfg=None))
    assert sum(p.numel() for p in model.parameters()) / 1e6 == pytest.approx(millions, rel=2e-3)
