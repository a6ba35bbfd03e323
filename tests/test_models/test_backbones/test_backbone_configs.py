"""Backbone files: all have the same variables, their sources' numbers, and fit any config."""

from pathlib import Path

import mmdet
import pytest
from mmdet.registry import MODELS
from mmengine.config import Config
from mmengine.optim import build_optim_wrapper

import mmpldc.engine  # noqa: F401, registers the optimiser's constructor

timm = pytest.importorskip('timm')
CONFIGS = Path(__file__).parents[3] / 'configs'
BACKBONES = CONFIGS / '_base_/backbones'
NAMES = sorted(path.stem for path in BACKBONES.glob('*.py'))
MMDET = Path(mmdet.__file__).parent / '.mim/configs'
LR, DECAY = 1e-4, 1e-4  # of the schedule
HEAD = {  # as the schedule has them
    'student.panoptic_head.query_embed.weight': (LR, 0),
    'student.panoptic_head.cls_embed.weight': (LR, DECAY),
}


def experiment(tmp_path, name, mode, base='pldc/pldc_aaai_mask2former_r50_coco_1pct.py') -> Config:
    """The config of an experiment as a user writes it."""
    task = 'semantic' if base.startswith('semantic') else 'instance'
    lines = [
        f'_base_ = {[str(CONFIGS / base), str(BACKBONES / f"{name}.py")]}',
        f'model = _base_.{task}.{mode}',
    ]
    if mode == 'tuned' or task == 'semantic':
        lines.append(f'optim_wrapper = _base_.{task}.optim_wrapper')
    path = tmp_path / 'experiment.py'
    path.write_text('\n'.join(lines))
    return Config.fromfile(path)


def built(config, shrink):
    """The model, and per trainable parameter its learning rate and weight decay."""
    config.model.pop('refiner', None)
    model = MODELS.build(shrink(config).model)
    wrapper = build_optim_wrapper(model, config.optim_wrapper)
    names = {parameter: name for name, parameter in model.named_parameters()}
    return model, {
        names[parameter]: (group['lr'], group['weight_decay'])
        for group in wrapper.optimizer.param_groups
        for parameter in group['params']
    }


@pytest.mark.parametrize('name', NAMES)
def test_all_files_have_the_same_variables(name):
    cfg = Config.fromfile(BACKBONES / f'{name}.py')
    for task, part in (('instance', 'detector'), ('semantic', 'segmentor')):
        assert set(cfg[task]) == {'frozen', 'tuned', 'optim_wrapper'}
        for mode in ('frozen', 'tuned'):
            assert set(cfg[task][mode]) == {'backbone', part}
            assert cfg[task][mode].backbone.init_cfg.checkpoint
        checkpoints = [cfg[task][mode].backbone.init_cfg.checkpoint for mode in ('frozen', 'tuned')]
        assert checkpoints[0] == checkpoints[1]
    assert 'coco_detector' in cfg
    first = f'"""{cfg.filename and ""}'
    assert (BACKBONES / f'{name}.py').read_text().startswith(first)


@pytest.mark.parametrize('name', NAMES)
@pytest.mark.parametrize('mode', ['frozen', 'tuned'])
def test_experiment_replaces_the_backbone_and_keeps_the_rest(tmp_path, shrink, name, mode):
    config = experiment(tmp_path, name, mode)
    assert '_delete_' not in str(config.model) and '_delete_' not in str(config.optim_wrapper)
    assert ('depth' in config.model.backbone) == name.startswith('r')  # nothing of the ResNet
    assert config.model.detector.panoptic_head.feat_channels == 256
    assert config.model.detector.panoptic_head.num_queries == (200 if name == 'swin_l' else 100)
    assert config.optim_wrapper.clip_grad.max_norm == 0.01
    model, options = built(config, shrink)
    assert not any(name.startswith('teacher.') for name in options)
    assert options.keys() == {n for n, p in model.named_parameters() if p.requires_grad}
    assert any('backbone' in name for name in options) == (mode == 'tuned')
    for parameter, value in HEAD.items():
        assert options[parameter] == pytest.approx(value)


@pytest.mark.slow
@pytest.mark.parametrize('name', ['swin_t', 'dinov3_s'])
def test_a_dumped_experiment_reads_the_same(tmp_path, name):
    """As the Runner dumps it, with keys that have dots."""
    config = experiment(tmp_path, name, 'tuned')
    config.dump(tmp_path / 'dumped.py')
    assert Config.fromfile(tmp_path / 'dumped.py').to_dict() == config.to_dict()


@pytest.mark.parametrize('name', NAMES)
def test_semantic_experiment(tmp_path, name):
    pytest.importorskip('mmseg')
    config = experiment(tmp_path, name, 'tuned', 'semantic/cityscapes/imas.py')
    head = config.model.segmentor.decode_head
    assert '_delete_' not in str(config.model) and '_delete_' not in str(config.optim_wrapper)
    assert config.model.segmentor.test_cfg.mode == 'slide'
    is_resnet = name.startswith('r')
    kind = (
        'DepthwiseSeparableASPP' if is_resnet else 'DPT' if 'vit' in str(config.model) else 'UPer'
    )
    assert head.type == f'mmseg.{kind}Head'
    assert (config.model.segmentor.auxiliary_head is not None) == is_resnet
    assert config.optim_wrapper.optimizer.type == ('SGD' if is_resnet else 'AdamW')


@pytest.mark.parametrize('name', [name for name in NAMES if name.startswith('dino')])
def test_timm_has_the_weights(name):
    """Under the name in the config, on the hub, with the licence that the guide names."""
    backbone = Config.fromfile(BACKBONES / f'{name}.py').instance.frozen.backbone
    known = timm.get_pretrained_cfg(backbone.name)
    assert backbone.init_cfg.checkpoint == f'timm://{backbone.name}'
    assert known.hf_hub_id == f'timm/{backbone.name}'
    assert known.license == ('apache-2.0' if name.startswith('dinov2') else 'dinov3-license')
    pixels = Config.fromfile(CONFIGS / '_base_/models/mask2former_r50.py').model.data_preprocessor
    for key, ours in (('mean', known.mean), ('std', known.std)):
        assert pixels.data_preprocessor[key] == pytest.approx([255 * value for value in ours])


@pytest.mark.parametrize(
    ('name', 'theirs'),
    [
        ('swin_t', 'mask2former_swin-t-p4-w7-224_8xb2-lsj-50e_coco'),
        ('swin_s', 'mask2former_swin-s-p4-w7-224_8xb2-lsj-50e_coco'),
        ('swin_l', 'mask2former_swin-l-p4-w12-384-in21k_16xb1-lsj-100e_coco-panoptic'),
    ],
)
def test_swin_is_mmdets(name, theirs):
    theirs = Config.fromfile(MMDET / f'mask2former/{theirs}.py')
    ours = Config.fromfile(BACKBONES / f'{name}.py').instance
    backbone = theirs.model.backbone.to_dict()
    assert backbone.pop('frozen_stages') == -1
    backbone |= dict(type='mmpldc.SwinTransformer', _delete_=True)
    assert ours.tuned.backbone.to_dict() == backbone
    assert ours.frozen.backbone.to_dict() == backbone | dict(frozen_stages=4)
    head = ours.tuned.detector.panoptic_head
    assert head.in_channels == theirs.model.panoptic_head.in_channels
    assert head.get('num_queries', 100) == theirs.model.panoptic_head.num_queries
    keys = theirs.optim_wrapper.paramwise_cfg.custom_keys.to_dict()
    of_the_head = {'query_embed', 'query_feat', 'level_embed'}
    assert ours.optim_wrapper.paramwise_cfg.custom_keys == {
        key: value for key, value in keys.items() if key not in of_the_head
    }


def test_coco_detectors_are_mmdets():
    page = (MMDET / 'mask2former/metafile.yml').read_text()
    found = {name: Config.fromfile(BACKBONES / f'{name}.py').coco_detector for name in NAMES}
    assert {name for name, url in found.items() if url} == {'r50', 'r101', 'swin_t', 'swin_s'}
    assert all(url in page and 'panoptic' not in url for url in found.values() if url)


def test_r50_is_what_the_models_have():
    ours = Config.fromfile(BACKBONES / 'r50.py')
    instance = Config.fromfile(CONFIGS / '_base_/models/mask2former_r50.py').model
    semantic = Config.fromfile(CONFIGS / 'semantic/_base_/models/deeplabv3plus_r50.py').model
    for model, part, found in (
        (instance, 'detector', ours.instance.frozen),
        (semantic, 'segmentor', ours.semantic.tuned),
    ):
        cfg = Config(dict(model=model.to_dict()))
        cfg.merge_from_dict(dict(model=found))
        assert cfg.model.backbone == model.backbone and cfg.model[part] == model[part]


def test_rates_of_swin_by_hand(tmp_path):
    config = experiment(tmp_path, 'swin_l', 'tuned')
    keys = config.optim_wrapper.paramwise_cfg.custom_keys
    assert keys['backbone'] == dict(lr_mult=0.1, decay_mult=1.0)
    for name in ('patch_embed.norm', 'norm', 'stages.2.blocks.17.norm', 'stages.1.downsample.norm'):
        assert keys[f'backbone.{name}'] == dict(lr_mult=0.1, decay_mult=0.0)


@pytest.mark.parametrize(('name', 'rate'), [('dinov2_b', 0.7), ('dinov2_l', 0.8)])
def test_rates_of_a_transformer_by_hand(tmp_path, shrink, name, rate):
    # of four blocks; over a method with a rate of its own for the whole backbone
    base = 'pais/pais_mask2former_r50_coco_10pct.py'
    config = experiment(tmp_path, name, 'tuned', base)
    assert config.optim_wrapper.optimizer.weight_decay == 0.05
    config.optim_wrapper.optimizer.weight_decay = DECAY
    _, options = built(config, shrink)
    for parameter, (power, decay) in {  # rate ** (4 + 1 - layer)
        'backbone.net.pos_embed': (5, 0),
        'backbone.net.patch_embed.proj.weight': (5, DECAY),
        'backbone.net.blocks.0.attn.qkv.weight': (4, DECAY),
        'backbone.net.blocks.0.attn.qkv.bias': (4, 0),
        'backbone.net.blocks.3.mlp.fc2.weight': (1, DECAY),
        'backbone.net.norm.weight': (0, 0),
        'neck.scales.0.0.weight': (0, DECAY),
        'neck.scales.0.1.weight': (0, 0),
    }.items():
        expected = LR * rate**power, decay
        assert options[f'student.{parameter}'] == pytest.approx(expected), parameter


@pytest.mark.parametrize(
    ('name', 'millions'),
    [
        # mmpretrain's and timm's tables: Swin-L at 384 without its classifier of 1000 classes
        ('swin_l', 196.74 - 1.537),
        ('dinov2_s', 22.06),
        ('dinov2_b', 86.58),
        ('dinov2_l', 304.37),
        ('dinov3_s', 21.59),
        ('dinov3_b', 85.64),
        ('dinov3_convnext_t', 27.82),
        ('dinov3_convnext_s', 49.45),
    ],
)
def test_number_of_parameters(name, millions):
    backbone = Config.fromfile(BACKBONES / f'{name}.py').instance.frozen.backbone.to_dict()
    del backbone['_delete_']
    if 'name' in backbone:
        backbone['device'] = 'meta'
    model = MODELS.build(backbone | dict(init_cfg=None))
    assert sum(p.numel() for p in model.parameters()) / 1e6 == pytest.approx(millions, rel=2e-3)
