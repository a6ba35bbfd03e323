"""What the semantic configs build is of the package that is meant, and has the papers' numbers."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from mmdet.registry import DATASETS, HOOKS, METRICS, MODELS, TRANSFORMS, VISUALIZERS
from mmengine.config import Config
from mmengine.registry import PARAM_SCHEDULERS
from torch import nn

pytest.importorskip('mmseg')
CONFIGS = Path(__file__).parents[2] / 'configs/semantic'
FILES = sorted(
    str(path.relative_to(CONFIGS).with_suffix(''))
    for path in CONFIGS.glob('*/*.py')
    if path.parent.name != '_base_' and path.stem != '_base'
)
# mmdet's on purpose: they move label maps too, and write the homography that views are compared by.
GEOMETRY = {'RandomFlip', 'RandomResize', 'RandomCrop', 'Resize', 'MultiBranch'}
OTHERS = ('mmseg.', 'mmpldc.', 'mmcv.', 'mmpretrain.', 'mmengine.', 'torch.', 'timm.')


def transforms(pipeline: list) -> Iterator[dict]:
    for transform in pipeline:
        yield transform
        if transform['type'] == 'MultiBranch':
            for name, branch in transform.items():
                if name not in ('type', 'branch_field'):
                    yield from transforms(branch)


def pipelines(cfg: Config) -> Iterator[list]:
    parts = cfg.train_dataloader.dataset
    yield from (parts[name].pipeline for name in ('labeled', 'unlabeled') if parts.get(name))
    yield cfg.val_dataloader.dataset.pipeline
    yield cfg.test_dataloader.dataset.pipeline


@pytest.mark.parametrize('name', FILES)
def test_no_built_object_is_mmdets_by_accident(name):
    cfg = Config.fromfile(CONFIGS / f'{name}.py')
    if cfg.model.backbone.type == 'mmpldc.TimmBackbone':
        pytest.importorskip('timm')
    cfg.model.backbone.init_cfg = None
    with torch.device('meta'):  # shapes without numbers: drawing those takes most of the time
        model = MODELS.build(cfg.model)
    losses = [head.loss_decode for head in model.student.modules() if hasattr(head, 'loss_decode')]
    assert losses
    for module in (*model.modules(), *losses):
        assert type(module).__module__.startswith(OTHERS), type(module)
    named = ('segmentor', 'backbone', 'decode_head', 'auxiliary_head', 'loss_decode')
    for module in (model.student, model.student.backbone, model.student.decode_head, *losses):
        assert type(module).__module__.startswith(('mmseg.', 'mmpldc.')), named
    for part in (model.reliability, model.unsup_loss, *(view.mix for view in model.student_views)):
        assert part is None or type(part).__module__.startswith('mmpldc.')
    for pipeline in pipelines(cfg):
        for transform in transforms(pipeline):
            built = TRANSFORMS.build(transform)
            package = type(built).__module__.split('.')[0]
            kind = type(built).__name__
            assert package in ('mmseg', 'mmpldc', 'mmcv') or kind in GEOMETRY, type(built)
    for dataset in (
        *filter(None, (cfg.train_dataloader.dataset.get(n) for n in ('labeled', 'unlabeled'))),
        cfg.val_dataloader.dataset,
        cfg.test_dataloader.dataset,
    ):
        assert DATASETS.get(dataset.type).__module__.startswith('mmseg.')
    visualizer = dict(cfg.visualizer, name=f'objects_of_{name}', vis_backends=None)
    assert type(METRICS.build(cfg.val_evaluator)).__module__.startswith('mmseg.')
    assert type(VISUALIZERS.build(visualizer)).__module__.startswith('mmseg.')
    hook = HOOKS.build(cfg.default_hooks.visualization)
    assert type(hook).__module__.startswith('mmseg.')


SHARED = {  # of all methods on a data set: semantic.md, sections 1.2, 2.1 and 3
    'voc': {
        'optim_wrapper.optimizer.lr': 0.001,
        'optim_wrapper.optimizer.weight_decay': 1e-4,
        'model.num_classes': 21,
        'train_cfg.max_iters': 45600,
    },
    'cityscapes': {
        'optim_wrapper.optimizer.weight_decay': 5e-4,
        'model.num_classes': 19,
        'train_cfg.max_iters': 27800,
        'model.burn_in_iters': 0,
    },
}
NUMBERS = {
    'voc/u2pl': {
        'model.burn_in_iters': 570,
        'model.contrast': dict(
            type='mmpldc.PixelContrast',
            channels=256,
            low_rank=3,
            high_rank=20,
            capacity=30_000,
            background_capacity=50_000,
            loss_weight=0.1,
        ),
        'model.reliability.unreliable_share': dict(type='mmpldc.Ramp', start=0.2, end=0.0, begin=0),
        'model.student_views.0.mix.prob': 0.5,
        'default_hooks.mean_teacher.keep_rate': 0.99,
        'model.backbone.multi_grid': (4, 8, 16),
        'model.segmentor.decode_head.c1_channels': 256,
    },
    'cityscapes/u2pl': {
        'optim_wrapper.optimizer.lr': 0.01,
        'model.segmentor.auxiliary_head.loss_decode.loss_weight': 0.4,
        'model.segmentor.decode_head.loss_decode.max_probability': 0.7,
        'model.segmentor.decode_head.loss_decode.min_kept': 100_000,
        'model.segmentor.test_cfg.crop_size': (769, 769),
        'model.segmentor.test_cfg.stride': (513, 513),
    },
    'voc/imas': {
        'model.reliability.threshold': 0.95,
        'model.unsup_weight': 3.0,
        'model.ease': dict(threshold=0.95, ignore_class=0),
        'default_hooks.mean_teacher.keep_rate': 0.996,
        'model.backbone.multi_grid': (2, 4, 8),
        'model.segmentor.decode_head.c1_channels': 48,
    },
    'cityscapes/imas': {
        'optim_wrapper.optimizer.lr': 0.01,
        'model.reliability.threshold': 0.7,
        'model.unsup_weight': 3.0,
        'model.ease': dict(threshold=0.7, ignore_class=None),
    },
    'voc/unimatch': {
        'model.reliability.threshold': 0.95,
        'model.sup_weight': 0.5,
        'model.unsup_weight': 0.5,
        'model.student_views.0.weight': 0.25,
        'model.student_views.2.weight': 0.5,
        'model.student_views.2.feature_dropout': 0.5,
        'default_hooks.mean_teacher.keep_rate': 0.0,
        'crop_size': (321, 321),
    },
    'voc/unimatch_v2': {
        'model.num_classes': 21,
        'optim_wrapper.optimizer.lr': 5e-6,
        'optim_wrapper.optimizer.weight_decay': 0.01,
        'optim_wrapper.paramwise_cfg.custom_keys.decode_head.lr_mult': 40.0,
        'train_cfg.max_iters': 34200,
        'model.reliability.threshold': 0.95,
        'model.sup_weight': 0.5,
        'default_hooks.mean_teacher.keep_rate': 0.996,
        'crop_size': (518, 518),
    },
    'cityscapes/unimatch_v2': {
        'optim_wrapper.optimizer.lr': 5e-6,
        'optim_wrapper.optimizer.weight_decay': 0.01,
        'optim_wrapper.paramwise_cfg.custom_keys.decode_head.lr_mult': 40.0,
        'train_cfg.max_iters': 180 * 278,
        'train_dataloader.batch_size': 16,
        'model.reliability.threshold': 0.95,
        'model.segmentor.decode_head.loss_decode.max_probability': 0.7,
        'model.segmentor.test_cfg.stride': (532, 532),
        'crop_size': (798, 798),
    },
    'cityscapes/unimatch': {
        'optim_wrapper.optimizer.lr': 0.005,
        'model.reliability.threshold': 0.0,
        'model.segmentor.decode_head.loss_decode.min_kept': 200_000,
        'crop_size': (801, 801),
    },
}


@pytest.mark.parametrize('name', NUMBERS)
def test_published_numbers(name):
    cfg = Config.fromfile(CONFIGS / f'{name}.py')
    shared = SHARED[name.split('/')[0]]
    for key, expected in (shared | NUMBERS[name]).items():
        value = cfg
        for part in key.split('.'):
            value = value[int(part)] if part.isdigit() else value[part]
        assert value == expected, key


@pytest.mark.parametrize(
    'name',
    [name for name in FILES if name.startswith(('voc', 'city')) and not name.endswith('v2')],
)
def test_methods_share_data_and_steps_with_the_baseline(name):
    cfg = Config.fromfile(CONFIGS / f'{name}.py')
    baseline = Config.fromfile(CONFIGS / f'{name.split("/")[0]}/supervised.py')
    assert cfg.train_cfg == baseline.train_cfg and cfg.param_scheduler == baseline.param_scheduler
    own, theirs = (one.train_dataloader.dataset.labeled for one in (cfg, baseline))
    assert own.data_prefix == theirs.data_prefix


def test_learning_rate_follows_poly_after_resuming():
    """Half of the way the factor is 0.5 ** 0.9 = 0.5359, where the released codes stay at 1."""
    cfg = Config.fromfile(CONFIGS / 'voc/_base.py')
    settings = dict(cfg.param_scheduler, end=21)  # 20 steps from the first rate to 0

    def schedule(optimizer):
        return PARAM_SCHEDULERS.build(dict(settings, optimizer=optimizer))

    optimizer = torch.optim.SGD([nn.Parameter(torch.ones(1))], lr=0.001)
    scheduler = schedule(optimizer)
    for _ in range(9):
        optimizer.step()
        scheduler.step()
    resumed = torch.optim.SGD([nn.Parameter(torch.ones(1))], lr=0.001)
    other = schedule(resumed)
    resumed.load_state_dict(optimizer.state_dict())
    other.load_state_dict(scheduler.state_dict())
    resumed.step()
    other.step()
    assert resumed.param_groups[0]['lr'] == pytest.approx(0.5359 * 0.001, rel=1e-4)
