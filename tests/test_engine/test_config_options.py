"""Options that nobody would read are found, with the nearest right key; all others pass."""

import argparse
import os
import re
from pathlib import Path

import pytest
from mmengine.config import Config

from mmpldc.apis import add_cfg_options, read_config
from mmpldc.engine.config_options import one_line_build_errors, option_faults, parse_value
from mmpldc.registry import DATASETS, HOOKS, MODELS

CONFIG = Path(__file__).resolve().parents[2] / 'configs/custom/pldc_mask2former_r50_custom.py'


@pytest.fixture(scope='module')
def cfg() -> Config:
    return Config.fromfile(CONFIG)


def fault(cfg: Config, option: str) -> str:
    key, _, value = option.partition('=')
    return '\n'.join(option_faults(cfg, {key: parse_value(value)}))


# ---------------------------------------------------------------- what passes


@pytest.mark.parametrize(
    'option',
    [
        'train_cfg.max_iters=5',
        'work_dir=here',
        'load_from=a.pth',
        'find_unused_parameters=True',
        # optional arguments of classes, also those that they pass on or share
        'model.backbone.with_cp=True',
        'model.pseudo_label_filter.duplicate_iou=0.5',
        'default_hooks.checkpoint.save_begin=5',
        'optim_wrapper.accumulative_counts=2',
        'optim_wrapper.dtype=bfloat16',  # of --amp
        'optim_wrapper.optimizer.amsgrad=True',
        'param_scheduler.convert_to_iter_based=True',
        'train_dataloader.prefetch_factor=4',
        'train_dataloader.dataset.data_root=there',
        'train_dataloader.dataset.labeled.indices=5',
        'val_evaluator.collect_device=gpu',
        'env_cfg.dist_cfg.rank=3',
        'randomness.deterministic=True',
        # keys that code reads from sections without a type
        'model.detector.test_cfg.filter_low_score=True',
        'optim_wrapper.paramwise_cfg.bias_lr_mult=2',
        'train_dataloader.dataset.labeled.filter_cfg.min_size=3',
        # names of one's own, new and empty sections
        'optim_wrapper.paramwise_cfg.custom_keys.backbone.lr_mult=0.1',
        'model.refiner.type=mmpldc.CLIPRefiner',
        'model.mask_refiner.type=mmpldc.GrabCutRefiner',
        'model.weak_labels.type=mmpldc.WeakLabels',
        'train_dataloader.dataset.weak_labels=weak_labels.json',
        'model.refiner=None',
        'default_hooks.non_finite=None',
        'param_scheduler._delete_=True',
        'model.unsup_weight=0.5',
        'train_dataloader.dataset.labeled.pipeline.2.prob=0.1',
    ],
)
def test_right_options_pass(cfg, option):
    assert fault(cfg, option) == ''


def test_a_new_hook_needs_its_type(cfg):
    options = {'default_hooks.own.type': 'EMAHook', 'default_hooks.own.momentum': 0.1}
    assert option_faults(cfg, options) == []
    assert option_faults(cfg, {'default_hooks.own.momentum': 0.1})


# ---------------------------------------------------------------- what does not


@pytest.mark.parametrize(
    ('option', 'right'),
    [
        # variables of the file
        ('max_iters=50', 'set train_cfg.max_iters'),
        ('burn_in_iters=5', 'set model.burn_in_iters'),
        ('batch_size=4', 'set train_dataloader.batch_size and train_dataloader.sampler.batch_size'),
        ('labeled.ann_file=x', 'set train_dataloader.dataset.labeled.ann_file'),
        ('keep_rate=0.9', 'set default_hooks.mean_teacher.keep_rate'),
        ('image_size=(256,256)', 'model.data_preprocessor.data_preprocessor.batch_augments.0.size'),
        ('vis_backends.0.type=x', 'set visualizer.vis_backends.0.type'),
        # top-level keys
        ('modle.num_classes=5', 'did you mean model.num_classes?'),
        ('log_procesor.window_size=4', 'did you mean log_processor.window_size?'),
        ('seed=3', 'set randomness.seed'),
        ('lr=0.1', 'set optim_wrapper.optimizer.lr'),
        ('data_preprocessor.mean=3', ''),  # the model's own is used
        # keys of sections
        ('model.burnin_iters=5', 'did you mean model.burn_in_iters?'),
        ('model.max_iters=5', 'set train_cfg.max_iters'),
        ('model.backbone.dept=3', 'did you mean model.backbone.depth?'),
        ('model.pseudo_label_filter.class_threshold=0.5', 'pseudo_label_filter.class_thr?'),
        ('model.detector.test_cfg.max_per_img=3', 'test_cfg.max_per_image?'),
        ('model.detector.panoptic_head.num_querys=3', 'panoptic_head.num_queries?'),
        ('model.detector.panoptic_head.pixel_decoder.encoder.num_layer=3', 'num_layers?'),
        ('train_cfg.max_iter=5', 'did you mean train_cfg.max_iters?'),
        ('train_dataloader.batchsize=4', 'did you mean train_dataloader.batch_size?'),
        ('train_dataloader.dataset.labelled.ann_file=x', 'dataset.labeled.ann_file?'),
        ('train_dataloader.dataset.dat_root=x', 'train_dataloader.dataset.data_root?'),
        ('train_dataloader.dataset.labeled.filter_cfg.minsize=3', 'filter_cfg.min_size?'),
        ('default_hooks.chekpoint.interval=5', 'default_hooks.checkpoint.interval?'),
        ('default_hooks.chekpoint=None', 'default_hooks.checkpoint?'),
        ('default_hooks.checkpoint.intervall=5', 'default_hooks.checkpoint.interval?'),
        ('optim_wrapper.optimiser.lr=1', 'optim_wrapper.optimizer.lr?'),
        ('optim_wrapper.paramwise_cfg.bias_lr_mul=2', 'paramwise_cfg.bias_lr_mult?'),
        ('param_scheduler.0.gamma=1', 'set param_scheduler.gamma'),
        ('val_evaluator.metrics=segm', 'did you mean val_evaluator.metric?'),
        ('auto_scale_lr.enabled=True', 'did you mean auto_scale_lr.enable?'),
        ('env_cfg.dist_cfg.backnd=gloo', 'did you mean env_cfg.dist_cfg.backend?'),
        ('randomness.sed=3', 'did you mean randomness.seed?'),
        # values and places
        ('model=5', 'section'),
        ('train_cfg.max_iters=many', 'number'),
        ('model.num_classes.x=3', 'set model.num_classes itself'),
        ('train_dataloader.dataset.labeled.pipeline.99.scale=3', '7 entries'),
        ('train_dataloader.dataset.labeled.pipeline.x.scale=3', 'pipeline.0.x'),
        ('model.data_preprocessor.data_preprocessor.batch_augments.0.size.0=3', 'as a whole'),
        ('custom_hooks.0.x=1', 'no entry 0'),
    ],
)
def test_wrong_options_are_told_with_the_nearest_right_one(cfg, option, right):
    message = fault(cfg, option)
    assert right in message and option.partition('=')[0] in message
    assert message and '\n' not in message


def test_a_config_is_left_as_it_was(cfg):
    before = cfg.to_dict()
    fault(cfg, 'model.burn_in_iters=1')
    assert cfg.to_dict() == before


def test_a_class_given_as_a_class(cfg):
    own = Config(dict(model=dict(type=MODELS.get('mmpldc.SemiMask2Former'), burn_in_iters=3)))
    assert fault(own, 'model.joint_forward=True') == ''
    assert 'burn_in_iters?' in fault(own, 'model.burnin_iters=1')


# ---------------------------------------------------------------- values


@pytest.mark.parametrize(
    ('text', 'value'),
    [
        ('3', 3),
        ('1e-4', 1e-4),
        ('true', True),
        ('None', None),
        ('a,b', ['a', 'b']),
        ('[1, 2]', [1, 2]),
        ('"[1,2]"', [1, 2]),
        ('(1,)', (1,)),
        ('(1)', (1,)),
        ('[(1,2),[a,b],c]', [(1, 2), ['a', 'b'], 'c']),
        ("['rhesus monkey', 'tiger']", ['rhesus monkey', 'tiger']),
        ('[]', []),
        ("{'a': 1}", dict(a=1)),
        ('/my data/labels.json', '/my data/labels.json'),
        ("it's here.json", "it's here.json"),
        ('photos (1).json', 'photos (1).json'),
        ('photos (1.json', 'photos (1.json'),
        ('[a] and [b]', '[a] and [b]'),
        ('', ''),
        ('a=b', 'a=b'),
    ],
)
def test_values(text, value):
    found = parse_value(text)
    assert found == value and type(found) is type(value)


def test_a_path_with_a_comma_is_one_if_it_exists(tmp_path):
    path = tmp_path / 'a,b.json'
    assert parse_value(str(path)) == [str(tmp_path / 'a'), 'b.json']
    path.touch()
    assert parse_value(str(path)) == str(path)


@pytest.mark.parametrize('words', [['a.b=my', 'file.json'], ['a.b'], ['=3']])
def test_words_that_are_no_option_are_named(words, capsys):
    parser = argparse.ArgumentParser()
    add_cfg_options(parser)
    with pytest.raises(SystemExit):
        parser.parse_args(['--cfg-options', *words])
    error = capsys.readouterr().err.splitlines()[-1]
    assert f"'{words[-1]}' is not KEY=VALUE" in error and 'quotes' in error


def test_read_config(tmp_path):
    with pytest.raises(SystemExit, match=r'none\.py: there is no such config'):
        read_config(tmp_path / 'none.py')
    cfg = read_config(CONFIG, {'train_cfg.max_iters': 7})
    assert cfg.train_cfg.max_iters == 7
    wrong = {'max_iters': 7, 'model.burnin_iters': 2}
    with pytest.raises(SystemExit) as caught:
        read_config(CONFIG, wrong)
    lines = str(caught.value).splitlines()
    assert len(lines) == 2 and os.path.basename(CONFIG) in lines[0]
    assert all(re.search(key, line) for key, line in zip(wrong, lines, strict=True))


# ---------------------------------------------------------------- while building


@pytest.mark.parametrize(
    ('registry', 'section', 'line'),
    [
        (
            MODELS,
            dict(type='ResNet', dept=50, depth=50),
            'part.dept: ResNet has no such setting; did you mean depth?',
        ),
        (MODELS, dict(type='ResNet'), "part: ResNet needs 'depth'"),
        (HOOKS, dict(type='EMAHok'), 'part.type: there is no EMAHok; did you mean EMAHook?'),
        (
            DATASETS,
            dict(type='mmpldc.SemiDatset'),
            'part.type: there is no mmpldc.SemiDatset; did you mean mmpldc.SemiDataset?',
        ),
    ],
)
def test_building_names_the_place_in_a_line(registry, section, line):
    cfg = Config(dict(default_scope='mmdet', part=section))
    with pytest.raises(SystemExit, match=re.escape(line)), one_line_build_errors(cfg):
        registry.build(cfg.part)


@pytest.mark.parametrize('error', [TypeError('f() takes 1 argument'), RuntimeError('a fault')])
def test_other_errors_stay(error):
    with pytest.raises(type(error)) as caught, one_line_build_errors(Config({})):
        raise error
    assert caught.value is error
