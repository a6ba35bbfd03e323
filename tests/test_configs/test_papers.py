"""Experiments hold the numbers of the papers, typed here from their tables and released codes.

Configs and options are those that the docs name: none of the papers' rows is out of reach.
"""

import re

import documented
import pytest
import torch
from documented import CONFIGS, load
from mmdet.registry import MODELS
from mmengine.optim import build_optim_wrapper
from torch import nn

PLDC_TABLES = {  # PL-DC's Tables 1 and 2: mask AP by share of labels
    ('supervised', 'coco'): {1: 13.5, 2: 20.0, 5: 26.0, 10: 30.5, 100: 43.5},
    ('PAIS', 'coco'): {1: 21.1, 5: 29.3, 10: 31.0},
    ('Guided Distillation', 'coco'): {1: 21.5, 2: 25.3, 5: 29.9, 10: 35.0},
    ('PL-DC, arXiv', 'coco'): {1: 25.1, 2: 29.2, 5: 33.0, 10: 36.5, 100: 48.8},
    ('PL-DC, AAAI-26', 'coco'): {1: 25.2, 2: 29.2, 5: 34.0, 10: 36.8, 100: 48.8},
    ('supervised', 'cityscapes'): {5: 12.1, 10: 18.8, 20: 27.4, 30: 29.6},
    ('Guided Distillation', 'cityscapes'): {5: 23.0, 10: 30.8, 20: 33.1, 30: 35.6},
    ('PL-DC, arXiv', 'cityscapes'): {5: 27.6, 10: 33.1, 20: 35.8, 30: 37.6},
    ('PL-DC, AAAI-26', 'cityscapes'): {5: 28.5, 10: 32.6, 20: 36.1, 30: 37.9},
}
# PL-DC, Table I: per column b_l, b_u, burn-in, iterations; the rows that all columns share below.
COLUMNS = dict(
    coco=(8, 8, 20000, 368750), cityscapes=(4, 4, 20000, 180000), ablation=(4, 4, 10000, 73750)
)
KEEP_RATE = 'default_hooks.mean_teacher.keep_rate'
FILTER = 'model.pseudo_label_filter'
SHARED = {
    'model.unsup_weight': 1.0,
    f'{FILTER}.class_thr': 0.85,
    f'{FILTER}.mask_thr': 0.9,
    KEEP_RATE: 0.9996,
    'optim_wrapper.optimizer.type': 'AdamW',  # this and the next: section 4.1
    'optim_wrapper.optimizer.weight_decay': 1e-4,
    'optim_wrapper.optimizer.lr': 1e-4,
    # the released code's
    f'{FILTER}.min_area': 5,
    'optim_wrapper.clip_grad.max_norm': 0.01,
    # Mask2Former's (arXiv 2112.01527)
    'model.detector.train_cfg.num_points': 12544,
    'model.detector.train_cfg.oversample_ratio': 3.0,
    'model.detector.train_cfg.importance_sample_ratio': 0.75,
    'model.detector.panoptic_head.loss_cls.loss_weight': 2.0,
    'model.detector.panoptic_head.loss_mask.loss_weight': 5.0,
    'model.detector.panoptic_head.loss_dice.loss_weight': 5.0,
    'model.detector.panoptic_head.num_queries': 100,
    'model.backbone.type': 'ResNet',
    'model.backbone.depth': 50,
    'model.backbone.frozen_stages': 4,
}
# Where the released schedules drop the learning rate, as they resolve.
DROPS = dict(coco=340385, cityscapes=166154)
DROP_AT_1_PERCENT = 213875
BASELINES = dict(coco=(73750, 68077), cityscapes=(180000, 166154))  # iterations, drop
# Table III; its upper ratios 0.6 and 0.8 are 6 and 8 in the released code.
STRONG = [
    dict(type='ColorJitter', brightness=0.4, contrast=0.4, saturation=0.4, hue=0.1, prob=0.8),
    dict(type='RandomGrayscale', p=0.2),
    dict(type='GaussianBlur', sigma=(0.1, 2.0), prob=0.5),
    dict(type='RandomErasing', p=0.7, scale=(0.05, 0.2), ratio=(0.3, 3.3)),
    dict(type='RandomErasing', p=0.5, scale=(0.02, 0.2), ratio=(0.1, 6)),
    dict(type='RandomErasing', p=0.3, scale=(0.02, 0.2), ratio=(0.05, 8)),
]
GEOMETRY = dict(  # flip, scale (width, height), range of its ratio, crop (width, height)
    coco=(0.5, (1024, 1024), (0.1, 2.0), (1024, 1024)),
    cityscapes=(0.5, (2048, 1024), (0.5, 2.0), (1024, 512)),  # released code
)
ABLATIONS = {  # Table 3: what a row changes, mask AP / small / medium / large
    'PL-DC': ('', '21.6 / 7.0 / 21.4 / 35.2'),
    '− DDTF': ('filter', '21.1 / 7.3 / 20.4 / 34.9'),
    '− DICC': ('refiner', '20.8 / 6.2 / 20.5 / 35.0'),
    '− PMUA': ('loss', '20.4 / 6.3 / 20.0 / 34.6'),
    '− all three': ('filter refiner loss', '20.7 / 6.4 / 20.4 / 34.7'),
}
TABLE_4 = {  # what a row sets, mask AP
    **{
        f'a: m_t = {m}, c_t = {c}': ({f'{FILTER}.mask_thr': m, f'{FILTER}.class_thr': c}, ap)
        for m, c, ap in (
            (0.7, 0.7, 20.3),
            (0.8, 0.7, 20.4),
            (0.9, 0.7, 21.1),
            (0.9, 0.8, 21.5),
            (0.9, 0.9, 20.1),
        )
    },
    **{
        f'b: α = {alpha}': ({KEEP_RATE: alpha}, ap)
        for alpha, ap in (
            (0.5, 19.9),
            (0.7, 20.0),
            (0.9, 20.0),
            (0.99, 20.2),
            (0.999, 21.0),
            (0.9999, 19.1),
        )
    },
    **{
        f'c: λ = {weight}': ({'model.unsup_weight': weight}, ap)
        for weight, ap in ((0.5, 21.1), (2.0, 18.6), (4.0, 10.0), (8.0, 6.6))
    },
}
TABLE_5 = {  # method, part exchanged, mask AP at 1, 5 and 10 % of COCO
    'a': ('guided_distillation', 'predicted_iou', (21.7, 30.5, 35.6)),
    'b': ('guided_distillation', 'ddtf', (23.5, 30.9, 35.7)),
    'c': ('guided_distillation', 'boundary_map', (22.4, 30.7, 35.5)),
    'd': ('guided_distillation', 'pmua', (23.1, 31.3, 35.7)),
    'e': ('guided_distillation', 'plepi', (23.8, 31.2, 35.7)),
    'f': ('guided_distillation', 'dicc', (24.5, 31.6, 35.9)),
    'g': ('pais', 'plepi', (23.3, 30.5, 33.6)),
    'h': ('pais', 'dicc', (24.1, 30.8, 34.0)),
}
PERCENTS = (1, 5, 10)
UNWEIGHTED = dict(
    type='mmpldc.UncertaintyWeightedCrossEntropyLoss', loss_weight=5.0, pixel_weights=[]
)
# Guided Distillation: its released code, and Mask2Former's released configs on which it is built.
GUIDED_DISTILLATION = {
    'model.burn_in': 'guided',
    'model.burn_in_iters': 50000,
    'model.unsup_weight': 2.0,
    'model.sup_views': ('sup_weak',),
    'model.train_no_object_without_labels': True,
    f'{FILTER}.class_thr': 0.7,
    f'{FILTER}.mask_thr': 0.0,
    f'{FILTER}.min_area': 5,
    f'{FILTER}.soft_area': True,
    f'{FILTER}.above_no_object': True,
    'model.detector.panoptic_head.loss_mask': UNWEIGHTED,
    'model.backbone.frozen_stages': -1,
    KEEP_RATE: 0.9996,
    'train_dataloader.batch_size': 32,
    'train_dataloader.sampler.source_ratio': [1, 1],
    'train_dataloader.sampler.oversample_thr': 10.0,
    'optim_wrapper.optimizer.lr': 1e-4,
    'optim_wrapper.optimizer.weight_decay': 0.05,
    'optim_wrapper.clip_grad.max_norm': 0.01,
    'optim_wrapper.paramwise_cfg.custom_keys.backbone': dict(lr_mult=0.1, decay_mult=1.0),
}
TEACHER = {  # what its teacher's run differs in
    'model.burn_in': 'supervised',
    'model.burn_in_iters': 0,
    'model.unsup_weight': 0.0,
    KEEP_RATE: 0.0,
    'train_dataloader.batch_size': 16,
    'train_dataloader.sampler.source_ratio': [1],
    'train_dataloader.sampler.oversample_thr': None,
}
GUIDED_DISTILLATION_ON = dict(
    coco={
        'train_cfg.max_iters': 368750,
        'param_scheduler.milestones': [327778, 355092],
        'model.backbone.norm_cfg.requires_grad': False,
    },
    cityscapes={
        'train_cfg.max_iters': 90000,
        'param_scheduler.type': 'PolyLR',
        'param_scheduler.power': 0.9,
        'param_scheduler.end': 90000,
        'model.backbone.norm_cfg.requires_grad': True,
        'model.backbone.norm_eval': False,
        'model.joint_forward': False,
        'sync_bn': 'torch',
    },
)
PAIS = {  # its released code, configs/PAIS
    'model.burn_in_iters': 0,
    'model.unsup_weight': 1.0,
    'model.sup_views': ('sup_weak',),
    f'{FILTER}.class_thr': 0.35,
    f'{FILTER}.mask_thr': 0.30,
    f'{FILTER}.mask_quality': 'predicted_iou',
    'model.detector.panoptic_head.iou_head': dict(type='mmpldc.MaskIoUHead'),
    'model.pseudo_label_weights': dict(
        type='mmpldc.DynamicAligningWeights',
        class_scale=12.0,
        mask_scale=2.5,
        saturation=0.5,
        exponent=4.0,
        no_object_weight=0.1225,
    ),
    'model.detector.panoptic_head.loss_mask': UNWEIGHTED,
    'model.backbone.frozen_stages': 1,
    KEEP_RATE: 0.999,
    'default_hooks.mean_teacher.ramp_up': True,
    'train_dataloader.batch_size': 12,
    'train_dataloader.sampler.source_ratio': [1, 2],
    'train_cfg.max_iters': 220000,
    'optim_wrapper.optimizer.lr': 1e-4,
    'optim_wrapper.optimizer.weight_decay': 0.05,
    'optim_wrapper.paramwise_cfg.custom_keys.backbone': dict(lr_mult=0.25),
    'param_scheduler.0.start_factor': 0.001,
    'param_scheduler.0.end': 1000,
    'param_scheduler.1.milestones': [160000, 200000],
}
MAIN_TABLES = [row for row in documented.tables_1_and_2() if row.name.startswith('PL-DC')]


def value(config, dotted):
    for key in dotted.split('.'):
        config = config[int(key)] if key.isdigit() else config[key]
    return config


def assert_has(config, expected):
    assert {key: value(config, key) for key in expected} == expected


def data_and_percent(config: str) -> tuple[str, int]:
    dataset, percent = re.search(r'_(coco|cityscapes)_(\d+)pct', config).groups()
    return dataset, int(percent)


def assert_column(config, column, *, supervised=False):
    """A column of Table I."""
    labeled, unlabeled, burn_in, max_iters = COLUMNS[column]
    loader = config.train_dataloader
    batch = labeled if supervised else labeled + unlabeled
    assert loader.batch_size == loader.sampler.batch_size == batch
    assert loader.sampler.source_ratio == ([1] if supervised else [1, 1]) and labeled == unlabeled
    assert config.model.burn_in_iters == burn_in
    assert config.train_cfg.max_iters == max_iters


def assert_files(config, dataset: str, percent: int) -> None:
    """Which images are labelled."""
    parts = config.train_dataloader.dataset
    if percent < 100:
        assert parts.split == documented.SPLITS[dataset].format(percent)
        return
    assert parts.split is None
    assert parts.labeled.ann_file == 'annotations/instances_train2017.json'
    if parts.unlabeled is not None:
        assert parts.unlabeled.ann_file.endswith('@100-unlabeled.json')
        assert parts.unlabeled.data_prefix.img == 'unlabeled2017/'


# ---------------------------------------------------------------- PL-DC


def test_rows_of_tables_1_and_2_are_the_papers():
    found = {}
    for method, config, _, ap in documented.tables_1_and_2():
        dataset, percent = data_and_percent(config)
        found.setdefault((method, dataset), {})[percent] = float(ap)
        assert f'Published mask AP: {ap}' in (CONFIGS / config).read_text()
        assert_files(load(config), dataset, percent)
    assert found == PLDC_TABLES


@pytest.mark.parametrize('row', MAIN_TABLES, ids=lambda row: row.config)
def test_numbers_of_pldc(row):
    config, (dataset, percent) = load(row.config), data_and_percent(row.config)
    assert_has(config, SHARED | {'model.num_classes': dict(coco=80, cityscapes=8)[dataset]})
    if percent == 100:
        assert config.model.burn_in_iters == 60000  # released code
        config.model.burn_in_iters = 20000
    assert_column(config, dataset)
    drop = DROP_AT_1_PERCENT if percent == 1 else DROPS[dataset]
    scheduler = config.param_scheduler
    assert (scheduler.type, scheduler.milestones, scheduler.gamma) == ('MultiStepLR', [drop], 0.1)

    parts = config.train_dataloader.dataset
    assert not parts.unlabeled.filter_cfg.filter_empty_gt
    assert parts.unlabeled.pipeline[1].type == 'LoadEmptyAnnotations'
    for part, views in ((parts.labeled, 'sup'), (parts.unlabeled, 'unsup')):
        flip, resize, crop = (
            next(step for step in part.pipeline if step.type == kind)
            for kind in ('RandomFlip', 'RandomResize', 'RandomCrop')
        )
        geometry = flip.prob, resize.scale, resize.ratio_range, crop.crop_size
        assert geometry == GEOMETRY[dataset]
        branches = part.pipeline[-1]
        assert [step.type for step in branches[f'{views}_weak']] == ['mmpldc.PackTrainingInputs']
        strong = branches[f'{views}_strong'][0].transforms
        for step, of_the_paper in zip(strong, STRONG, strict=True):
            assert {key: step[key] for key in of_the_paper} == of_the_paper
    (pad,) = config.model.data_preprocessor.data_preprocessor.batch_augments
    assert pad['size'] == GEOMETRY[dataset][3][::-1]


def test_aaai_config_differs_from_the_arxiv_one_in_refiner_and_thresholds():
    arxiv = load('pldc/pldc_mask2former_r50_coco_1pct.py')
    aaai = load('pldc/pldc_aaai_mask2former_r50_coco_1pct.py')
    assert 'class_thresholds' not in arxiv.model
    assert aaai.model.class_thresholds.keep_rate == 0.9996
    assert aaai.custom_hooks == [dict(type='mmpldc.ClassThresholdsLogHook')]
    assert arxiv.model.refiner.scorer.mode == 'crop'
    assert aaai.model.refiner.scorer.mode == 'mask_pool'
    for config in (arxiv, aaai):
        del config.model.refiner
    del aaai.model.class_thresholds
    aaai.pop('custom_hooks')
    assert arxiv.to_dict() == aaai.to_dict()


def test_rows_of_table_3():
    assert {row.name: row.ap for row in documented.table_3()} == {
        name: ap for name, (_, ap) in ABLATIONS.items()
    }
    for row in documented.table_3():
        changes = ABLATIONS[row.name][0].split()
        config = load(row.config)
        assert row.ap in (CONFIGS / row.config).read_text()
        assert_column(config, 'ablation')
        assert config.param_scheduler is None
        assert_files(config, 'coco', 1)
        thresholds = config.model.pseudo_label_filter
        thresholds = thresholds.class_thr, thresholds.mask_thr, thresholds.score_thr
        assert thresholds == ((None, None, 0.765) if 'filter' in changes else (0.85, 0.9, None))
        assert (config.model.refiner is None) == ('refiner' in changes)
        weights = config.model.detector.panoptic_head.loss_mask.pixel_weights
        assert (weights == []) == ('loss' in changes)
        assert_has(config, {k: v for k, v in SHARED.items() if not k.startswith(FILTER)})


def test_rows_of_table_4():
    assert {row.name: float(row.ap) for row in documented.table_4()} == {
        name: ap for name, (_, ap) in TABLE_4.items()
    }
    for row in documented.table_4():
        config, changes = load(row.config, row.options), TABLE_4[row.name][0]
        assert_has(config, SHARED | changes)
        assert_column(config, 'ablation')


def test_rows_of_table_5():
    """A method with one part of another, on the documented share."""
    expected = {
        f'{row}, {percent} %': ap
        for row, (_, _, aps) in TABLE_5.items()
        for percent, ap in zip(PERCENTS, aps, strict=True)
    }
    assert {row.name: float(row.ap) for row in documented.table_5()} == expected
    for row in documented.table_5():
        method, part, aps = TABLE_5[row.name[0]]
        name = f'{method}_{part}_mask2former_r50_coco_10pct.py'
        assert row.config == f'compatibility/{name}'
        percent = int(row.name.split()[1])
        text = (CONFIGS / row.config).read_text()
        assert f'Published mask AP: {aps[2]}; on 1 % {aps[0]}, on 5 % {aps[1]}' in text
        assert f"PL-DC's Table 5, row {row.name[0]}" in text
        found = load(row.config, row.options)
        assert_files(found, 'coco', percent)
        base = load(f'{method}/{method}_mask2former_r50_coco_{percent}pct.py')
        exchanged = dict(
            predicted_iou=('pseudo_label_filter', 'panoptic_head'),
            ddtf=('pseudo_label_filter',),
            boundary_map=('panoptic_head',),
            pmua=('panoptic_head',),
            plepi=('refiner',),
            dicc=('refiner',),
        )[part]
        for config in (found, base):  # the same but for the part
            for key in exchanged:
                (config.model.detector if key == 'panoptic_head' else config.model).pop(key, None)
        assert found.to_dict() == base.to_dict()


def test_parts_of_table_5_are_their_methods():
    def model(name):
        return load(f'{name}_mask2former_r50_coco_10pct.py').model

    def row(part):
        return model(f'compatibility/guided_distillation_{part}')

    pldc, pais, own = (
        model('pldc/pldc'),
        model('pais/pais'),
        model('guided_distillation/guided_distillation'),
    )
    heads = {
        part: row(part).detector.panoptic_head for part in ('boundary_map', 'pmua', 'predicted_iou')
    }
    assert row('ddtf').pseudo_label_filter == pldc.pseudo_label_filter
    assert row('dicc').refiner == model('compatibility/pais_dicc').refiner == pldc.refiner
    assert row('plepi').refiner == model('compatibility/pais_plepi').refiner
    product = dict(fusion='product', initial_weight=0.5, final_weight=0.5)
    assert row('plepi').refiner == dict(pldc.refiner, **product)
    assert heads['pmua'].loss_mask == pldc.detector.panoptic_head.loss_mask
    pixels = dict(type='mmpldc.BoundaryPreservingMap', scale=3.0)
    assert heads['boundary_map'].loss_mask.pixel_weights == [pixels]
    heads['boundary_map'].loss_mask.pixel_weights = []
    iou_head = heads['predicted_iou'].pop('iou_head')
    assert iou_head == pais.detector.panoptic_head.iou_head
    assert heads['boundary_map'] == heads['predicted_iou'] == own.detector.panoptic_head
    # above "no object" is Guided Distillation's, the rest PAIS's
    expected = dict(pais.pseudo_label_filter, above_no_object=True)
    assert row('predicted_iou').pseudo_label_filter == expected
    teacher = model('compatibility/teacher_predicted_iou')
    assert teacher.detector.panoptic_head.pop('iou_head') == iou_head
    assert teacher == model('guided_distillation/teacher')


# ---------------------------------------------------------------- supervised


@pytest.mark.parametrize('dataset', BASELINES)
def test_numbers_of_the_papers_baseline(dataset):
    """As released: the weak view alone, no average, its own schedule."""
    config = load(f'supervised/baseline_mask2former_r50_{dataset}_10pct.py')
    max_iters, drop = BASELINES[dataset]
    expected = SHARED | {
        'model.unsup_weight': 0.0,
        'model.sup_views': ('sup_weak',),
        KEEP_RATE: 0.0,
        'train_dataloader.batch_size': 8,
        'train_dataloader.sampler.batch_size': 8,
        'train_dataloader.sampler.source_ratio': [1],
        'train_cfg.max_iters': max_iters,
        'param_scheduler.type': 'MultiStepLR',
        'param_scheduler.end': max_iters,
        'param_scheduler.milestones': [drop],
        'param_scheduler.gamma': 0.1,
    }
    assert_has(config, expected)
    parts = config.train_dataloader.dataset
    assert parts.unlabeled is None
    views = parts.labeled.pipeline[-1]
    assert set(views) - {'type', 'branch_field'} == {'sup_weak'}
    pldc = load(f'pldc/pldc_mask2former_r50_{dataset}_10pct.py')
    assert parts.labeled.pipeline[:-1] == pldc.train_dataloader.dataset.labeled.pipeline[:-1]


@pytest.mark.parametrize('dataset', sorted(COLUMNS.keys() - {'ablation'}))
def test_supervised_on_equal_terms_differs_in_unlabelled_images_alone(dataset):
    config = load(f'supervised/mask2former_r50_{dataset}_10pct.py')
    assert_column(config, dataset, supervised=True)
    assert config.train_dataloader.dataset.unlabeled is None
    pldc = load(f'pldc/pldc_mask2former_r50_{dataset}_10pct.py')
    assert config.train_dataloader.dataset.labeled == pldc.train_dataloader.dataset.labeled
    pldc.model.unsup_weight = 0.0
    del pldc.model.refiner
    for key in ('model', 'train_cfg', 'optim_wrapper', 'param_scheduler', 'default_hooks'):
        assert config[key] == pldc[key]


def test_both_arms_of_the_quickstart_differ_only_in_unlabelled_images_and_their_labels():
    supervised, pldc = (load(f'quickstart/{name}.py') for name in ('supervised', 'pldc'))
    assert supervised.model.unsup_weight == 0
    supervised.model.unsup_weight = pldc.model.unsup_weight
    del pldc.model.refiner
    for key in ('model', 'train_cfg', 'optim_wrapper', 'param_scheduler', 'default_hooks'):
        assert supervised[key] == pldc[key]
    dataset = pldc.train_dataloader.dataset
    labeled, unlabeled = dataset.labeled, dataset.unlabeled
    assert supervised.train_dataloader.dataset.labeled == labeled
    assert 'unlabeled' not in supervised.train_dataloader.dataset
    ratio = pldc.train_dataloader.sampler.source_ratio
    labeled_batch = pldc.train_dataloader.batch_size * ratio[0] // sum(ratio)
    assert supervised.train_dataloader.batch_size == labeled_batch
    assert unlabeled.ann_file.endswith('unlabeled.json')


# ---------------------------------------------------------------- Guided Distillation, PAIS


@pytest.mark.parametrize('dataset', GUIDED_DISTILLATION_ON)
@pytest.mark.parametrize('role', ['guided_distillation', 'teacher'])
def test_numbers_of_guided_distillation(role, dataset):
    config = load(f'guided_distillation/{role}_mask2former_r50_{dataset}_10pct.py')
    is_teacher = role == 'teacher'
    expected = GUIDED_DISTILLATION | GUIDED_DISTILLATION_ON[dataset]
    assert_has(config, expected | (TEACHER if is_teacher else {}))
    pldc = load(f'pldc/pldc_mask2former_r50_{dataset}_10pct.py').train_dataloader.dataset
    parts = config.train_dataloader.dataset
    assert (parts.unlabeled is None) == is_teacher
    kinds = dict(labeled={'sup_weak'}, unlabeled={'unsup_weak', 'unsup_strong'})
    for name in ('labeled',) if is_teacher else ('labeled', 'unlabeled'):
        *geometry, views = parts[name].pipeline
        assert set(views) - {'type', 'branch_field'} == kinds[name]
        assert geometry == pldc[name].pipeline[:-1]
    if not is_teacher:
        strong = views.unsup_strong[0].transforms
        for step, of_the_paper in zip(strong, STRONG[:3], strict=True):  # without erasing
            assert {key: step[key] for key in of_the_paper} == of_the_paper


def test_backbones_norms_of_guided_distillation_do_not_decay_on_cityscapes():
    """As in Mask2Former's released code: norms, embeddings; a tenth of the rate in the backbone."""
    config = load('guided_distillation/guided_distillation_mask2former_r50_cityscapes_5pct.py')
    config.model.backbone.init_cfg = None
    with torch.device('meta'):
        model = MODELS.build(config.model)
    wrapper = build_optim_wrapper(model, config.optim_wrapper)
    options = {
        parameter: (group['lr'], group['weight_decay'])
        for group in wrapper.optimizer.param_groups
        for parameter in group['params']
    }
    trained = {n: p for n, p in model.student.named_parameters() if p.requires_grad}
    assert len(options) == len(trained)
    norms = {
        id(parameter)
        for module in model.modules()
        if isinstance(module, nn.BatchNorm2d | nn.GroupNorm | nn.LayerNorm | nn.Embedding)
        for parameter in module.parameters()
    }
    for parameter_name, parameter in trained.items():
        rate = 1e-5 if parameter_name.startswith('backbone.') else 1e-4
        # a plain parameter, no embedding, in Mask2Former's released code
        is_level = parameter_name == 'panoptic_head.pixel_decoder.level_encoding.weight'
        decay = 0.05 if id(parameter) not in norms or is_level else 0.0
        assert options[parameter] == pytest.approx((rate, decay)), parameter_name


def test_numbers_of_pais():
    config = load('pais/pais_mask2former_r50_coco_10pct.py')
    assert_has(config, PAIS)
    pldc = load('pldc/pldc_mask2former_r50_coco_10pct.py')
    ours, theirs = (cfg.train_dataloader.dataset for cfg in (config, pldc))
    assert ours.unlabeled == theirs.unlabeled
    assert ours.labeled.pipeline[:-1] == theirs.labeled.pipeline[:-1]
    assert 'sup_strong' not in ours.labeled.pipeline[-1]
