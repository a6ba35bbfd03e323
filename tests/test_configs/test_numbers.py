"""Configs resolve, build, and hold the paper's numbers."""

from pathlib import Path

import pytest
from mmdet.registry import MODELS
from mmengine.config import Config
from torch import nn

CONFIGS = Path(__file__).parent.parent / 'configs'
EXPERIMENTS = sorted(
    path for path in CONFIGS.rglob('*.py') if not any(p.startswith('_') for p in path.parts)
)
PAPER = {  # PL-DC, Table I and section 4.1; the last four from the released code and Mask2Former
    'model.pseudo_label_filter.class_thr': 0.85,
    'model.pseudo_label_filter.mask_thr': 0.9,
    'model.unsup_weight': 1.0,
    'model.burn_in_iters': 20000,
    'train_cfg.max_iters': 368750,
    'train_dataloader.batch_size': 16,
    'train_dataloader.sampler.source_ratio': [1, 1],
    'optim_wrapper.optimizer.lr': 1e-4,
    'optim_wrapper.optimizer.weight_decay': 1e-4,
    'model.backbone.frozen_stages': 4,
    'model.pseudo_label_filter.min_area': 5,
    'optim_wrapper.clip_grad.max_norm': 0.01,
    'param_scheduler.milestones': [213875],
    'model.detector.train_cfg.num_points': 12544,
}


def value(config, dotted):
    for key in dotted.split('.'):
        config = config[key]
    return config


@pytest.mark.parametrize('path', EXPERIMENTS, ids=lambda p: str(p.relative_to(CONFIGS)))
def test_model_builds(path):
    config = Config.fromfile(path)
    config.model.backbone.init_cfg = None
    model = MODELS.build(config.model)
    head = model.student.panoptic_head
    assert head.cls_embed.out_features == config.model.num_classes + 1
    assert head.loss_cls.class_weight == [1.0] * config.model.num_classes + [0.1]
    assert max((m.p for m in model.modules() if isinstance(m, nn.Dropout)), default=0) == 0
    assert not any(p.requires_grad for p in model.teacher.parameters())


@pytest.mark.parametrize(('key', 'expected'), PAPER.items())
def test_coco_config_holds_the_papers_numbers(key, expected):
    config = Config.fromfile(CONFIGS / 'pldc/pldc_mask2former_r50_coco_1pct.py')
    assert value(config, key) == expected


def test_aaai_config_differs_from_the_arxiv_one_in_refiner_and_thresholds():
    arxiv, aaai = (
        Config.fromfile(CONFIGS / f'pldc/{name}_mask2former_r50_coco_1pct.py')
        for name in ('pldc', 'pldc_aaai')
    )
    assert 'class_thresholds' not in arxiv.model
    assert aaai.model.class_thresholds.keep_rate == 0.9996
    assert [hook.type for hook in aaai.custom_hooks] == [
        'mmpldc.MeanTeacherHook',
        'mmpldc.ClassThresholdsLogHook',
    ]
    assert arxiv.model.refiner.scorer.mode == 'crop'
    assert aaai.model.refiner.scorer.mode == 'mask_pool'
    for config in (arxiv, aaai):
        del config.model.refiner
    del aaai.model.class_thresholds, aaai.custom_hooks[1]
    assert arxiv.to_dict() == aaai.to_dict()


@pytest.mark.parametrize(
    'path', sorted((CONFIGS / 'quickstart/ablation').glob('*.py')), ids=lambda p: p.stem
)
def test_ablation_differs_from_pldc_in_one_part(path):
    pldc = Config.fromfile(CONFIGS / 'quickstart/pldc.py').to_dict()
    ablation = Config.fromfile(path).to_dict()
    part = {
        'without_ddtf': 'pseudo_label_filter',
        'without_dicc': 'refiner',
        'without_pmua': 'detector',
        'with_df_acat': 'class_thresholds',
        'labels_by_clip': 'refiner',
    }[path.stem]
    hooks = ablation['custom_hooks']
    ablation['custom_hooks'] = [h for h in hooks if h['type'] != 'mmpldc.ClassThresholdsLogHook']
    assert pldc['model'].pop(part, None) != ablation['model'].pop(part, None)
    assert pldc == ablation


def test_keep_rate_and_sides_of_the_paper():
    config = Config.fromfile(CONFIGS / 'pldc/pldc_mask2former_r50_coco_1pct.py')
    (hook,) = config.custom_hooks
    assert hook.keep_rate == 0.9996
    labeled, unlabeled = config.train_dataloader.dataset.datasets
    for dataset in (labeled, unlabeled):
        resize = next(step for step in dataset.pipeline if step.type == 'RandomResize')
        assert (resize.scale, resize.ratio_range) == ((1024, 1024), (0.1, 2.0))
    assert unlabeled.pipeline[1].type == 'LoadEmptyAnnotations'


def test_both_arms_of_the_quickstart_differ_only_in_unlabelled_images_and_their_labels():
    supervised, pldc = (
        Config.fromfile(CONFIGS / f'quickstart/{name}.py') for name in ('supervised', 'pldc')
    )
    assert supervised.model.unsup_weight == 0
    supervised.model.unsup_weight = pldc.model.unsup_weight
    del pldc.model.refiner
    for key in ('model', 'train_cfg', 'optim_wrapper', 'param_scheduler', 'custom_hooks'):
        assert supervised[key] == pldc[key]
    labeled, unlabeled = pldc.train_dataloader.dataset.datasets
    assert supervised.train_dataloader.dataset == labeled
    ratio = pldc.train_dataloader.sampler.source_ratio
    labeled_batch = pldc.train_dataloader.batch_size * ratio[0] // sum(ratio)
    assert supervised.train_dataloader.batch_size == labeled_batch
    assert unlabeled.ann_file.endswith('unlabeled.json')
