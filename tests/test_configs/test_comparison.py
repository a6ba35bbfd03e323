"""Methods on equal terms, and PL-DC's Table 5: a config differs from its base in what it names."""

from pathlib import Path

import pytest
from mmengine.config import Config

CONFIGS = Path(__file__).parents[2] / 'configs'
FILTER, HEAD = 'model.pseudo_label_filter', 'model.detector.panoptic_head'
UNWEIGHTED = dict(type='CrossEntropyLoss', use_sigmoid=True, loss_weight=5.0)
PMUA = dict(type='mmpldc.UncertaintyWeightedCrossEntropyLoss', loss_weight=5.0)
BOUNDARY_MAP = dict(type='mmpldc.BoundaryPreservingMap', scale=3.0)
IOU_HEAD = dict(type='mmpldc.MaskIoUHead')
ALIGNING = dict(
    type='mmpldc.DynamicAligningWeights',
    class_scale=12.0,
    mask_scale=2.5,
    saturation=0.5,
    exponent=4.0,
    no_object_weight=0.1225,
)
COUPLED = {f'{FILTER}.class_thr': None, f'{FILTER}.mask_thr': None, f'{FILTER}.score_thr': 0.765}
PAIS_FILTER = {
    f'{FILTER}.class_thr': 0.35,
    f'{FILTER}.mask_thr': 0.3,
    f'{FILTER}.mask_quality': 'predicted_iou',
    f'{FILTER}.min_area': 0,
}
CLIP = dict(  # PL-DC's Appendix B.1
    type='mmpldc.OpenCLIPScorer',
    model='RN50-quickgelu',
    pretrained='openai',
    mode='crop',
    crop_size=224,
    templates='templates',
)
DICC = {'model.refiner': dict(type='mmpldc.CLIPRefiner', scorer=CLIP)}
PRODUCT = dict(fusion='product', initial_weight=0.5, final_weight=0.5)
PLEPI = {'model.refiner': DICC['model.refiner'] | PRODUCT}

# PL-DC's Table 5: base, what the row changes, mask AP at 1, 5 and 10 % of COCO.
TABLE_5 = {
    'guided_distillation_predicted_iou': (
        PAIS_FILTER | {f'{FILTER}.soft_area': False, f'{HEAD}.iou_head': IOU_HEAD},
        (21.7, 30.5, 35.6),
    ),
    'guided_distillation_ddtf': (
        {
            f'{FILTER}.class_thr': 0.85,
            f'{FILTER}.mask_thr': 0.9,
            f'{FILTER}.soft_area': False,
            f'{FILTER}.above_no_object': False,
        },
        (23.5, 30.9, 35.7),
    ),
    'guided_distillation_boundary_map': (
        {f'{HEAD}.pseudo_pixel_weights': BOUNDARY_MAP},
        (22.4, 30.7, 35.5),
    ),
    'guided_distillation_pmua': ({f'{HEAD}.loss_mask': PMUA}, (23.1, 31.3, 35.7)),
    'guided_distillation_plepi': (PLEPI, (23.8, 31.2, 35.7)),
    'guided_distillation_dicc': (DICC, (24.5, 31.6, 35.9)),
    'pais_plepi': (PLEPI, (23.3, 30.5, 33.6)),
    'pais_dicc': (DICC, (24.1, 30.8, 34.0)),
}
PERCENTS = (1, 5, 10)

# What a method on equal terms changes of its base, PL-DC.
METHODS = {
    'pldc': {},
    'mean_teacher': COUPLED | {'model.refiner': None, f'{HEAD}.loss_mask': UNWEIGHTED},
    'guided_distillation': {
        'model.refiner': None,
        f'{HEAD}.loss_mask': UNWEIGHTED,
        f'{FILTER}.class_thr': 0.7,
        f'{FILTER}.mask_thr': 0.0,
        f'{FILTER}.soft_area': True,
        f'{FILTER}.above_no_object': True,
        'model.burn_in': 'guided',
        'model.unsup_weight': 2.0,
        'model.train_no_object_without_labels': True,
    },
    'pais': PAIS_FILTER
    | {
        'model.refiner': None,
        f'{HEAD}.loss_mask': UNWEIGHTED,
        f'{HEAD}.iou_head': IOU_HEAD,
        f'{HEAD}.pseudo_label_weights': ALIGNING,
        'model.burn_in_iters': 0,
        'custom_hooks.0.ramp_up': True,
    },
    'pldc_without_ddtf': COUPLED,
    'pldc_without_dicc': {'model.refiner': None},
    'pldc_without_pmua': {f'{HEAD}.loss_mask': UNWEIGHTED},
    'pldc_boundary_map': {
        f'{HEAD}.loss_mask': UNWEIGHTED,
        f'{HEAD}.pseudo_pixel_weights': BOUNDARY_MAP,
    },
    'pldc_plepi': {f'model.refiner.{key}': value for key, value in PRODUCT.items()},
    'pldc_predicted_iou': {
        f'{FILTER}.mask_quality': 'predicted_iou',
        f'{FILTER}.mask_thr': 0.3,
        f'{HEAD}.iou_head': IOU_HEAD,
    },
    'pldc_polite_gate': {
        f'{FILTER}.mask_thr': 0.0,
        f'{HEAD}.pseudo_label_weights': dict(type='mmpldc.MaskQualityGate', mask_thr=0.9),
    },
    'pldc_dynamic_aligning': {f'{HEAD}.pseudo_label_weights': ALIGNING},
}
BASES = ['quickstart/pldc.py', 'pldc/pldc_mask2former_r50_coco_1pct.py']


def experiment(config: Config) -> dict:
    """What is run: not the variables that configs pass to one another."""
    runs = ('model', 'dataloader', 'evaluator', 'cfg', 'hooks', 'optim_wrapper', 'param_scheduler')
    return {key: value for key, value in config.to_dict().items() if key.endswith(runs)}


def with_changes(config: Config, changes: dict) -> dict:
    for key, value in changes.items():
        *parents, last = key.split('.')
        part = config
        for name in parents:
            part = part[int(name)] if name.isdigit() else part[name]
        part[last] = value
    return experiment(config)


@pytest.mark.parametrize('percent', PERCENTS)
@pytest.mark.parametrize('row', TABLE_5)
def test_row_of_table_5(row, percent):
    changes, published = TABLE_5[row]
    family = row.removesuffix('_' + row.split('guided_distillation_')[-1].split('pais_')[-1])
    path = CONFIGS / f'compatibility/{row}_mask2former_r50_coco_{percent}pct.py'
    base = Config.fromfile(CONFIGS / f'{family}/{family}_mask2former_r50_coco_{percent}pct.py')
    assert experiment(Config.fromfile(path)) == with_changes(base, changes)
    ap = published[PERCENTS.index(percent)]
    assert f'on {percent} % of COCO' in path.read_text()
    assert (
        f"Published mask AP: {ap} (PL-DC's Table 5, row {'abcdefgh'[list(TABLE_5).index(row)]})"
        in (path.read_text())
    )


@pytest.mark.parametrize('percent', PERCENTS)
def test_teacher_of_predicted_ious(percent):
    name = f'mask2former_r50_coco_{percent}pct.py'
    plain = Config.fromfile(CONFIGS / f'guided_distillation/teacher_{name}')
    own = Config.fromfile(CONFIGS / f'compatibility/teacher_predicted_iou_{name}')
    assert experiment(own) == with_changes(plain, {f'{HEAD}.iou_head': IOU_HEAD})


def test_every_row_of_table_5_is_there_and_no_other():
    names = {f'{row}_mask2former_r50_coco_{p}pct' for row in TABLE_5 for p in PERCENTS}
    names |= {f'teacher_predicted_iou_mask2former_r50_coco_{p}pct' for p in PERCENTS}
    assert {path.stem for path in (CONFIGS / 'compatibility').glob('*.py')} == names


@pytest.mark.parametrize('base', BASES)
@pytest.mark.parametrize('name', METHODS)
def test_method_differs_from_its_base_in_its_parts(name, base, monkeypatch):
    monkeypatch.setenv('MMPLDC_COMPARISON', str(CONFIGS / base))
    found = Config.fromfile(CONFIGS / f'comparison/{name}.py')
    assert experiment(found) == with_changes(Config.fromfile(CONFIGS / base), METHODS[name])


@pytest.mark.parametrize('base', BASES)
def test_adaptive_thresholds_average_over_the_teachers_steps(base, monkeypatch):
    monkeypatch.setenv('MMPLDC_COMPARISON', str(CONFIGS / base))
    found = Config.fromfile(CONFIGS / 'comparison/pldc_aaai.py')
    hook, log = found.custom_hooks
    expected = Config.fromfile(CONFIGS / base)
    thresholds = found.model.pop('class_thresholds')
    assert thresholds == dict(
        type='mmpldc.ClassAwareThresholds',
        class_range=(0.75, 0.90),
        mask_range=(0.80, 0.95),
        keep_rate=hook.keep_rate,
    )
    assert log == found.custom_hooks.pop() == dict(type='mmpldc.ClassThresholdsLogHook')
    assert experiment(found) == experiment(expected)


@pytest.mark.parametrize(
    ('base', 'supervised'),
    [
        ('quickstart/pldc.py', 'quickstart/supervised.py'),
        ('pldc/pldc_mask2former_r50_coco_1pct.py', 'supervised/mask2former_r50_coco_1pct.py'),
    ],
)
def test_supervised_run_is_the_published_baseline(base, supervised, monkeypatch):
    monkeypatch.setenv('MMPLDC_COMPARISON', str(CONFIGS / base))
    found = Config.fromfile(CONFIGS / 'comparison/supervised.py')
    expected = Config.fromfile(CONFIGS / supervised)
    expected.model.refiner = None
    expected.train_dataloader.dataset.unlabeled = None
    assert experiment(found) == experiment(expected)


def test_every_method_is_described():
    others = {'supervised', 'pldc_aaai'}
    assert {path.stem for path in (CONFIGS / 'comparison').glob('*.py')} == set(METHODS) | others
