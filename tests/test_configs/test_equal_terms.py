"""Methods on equal terms: over any base they differ from it in their parts alone."""

import pytest
from documented import CONFIGS, load
from mmengine.config import Config

BASES = ['quickstart/pldc.py', 'pldc/pldc_mask2former_r50_coco_1pct.py']
METHODS = sorted(path.stem for path in (CONFIGS / 'comparison').glob('*.py'))
PARTS_ALONE = sorted((CONFIGS / 'comparison/parts').glob('*.py'))
OF_A_METHOD = {  # what a method may have of its own in the model
    'refiner',
    'pseudo_label_filter',
    'pseudo_label_weights',
    'class_thresholds',
    'ignore_uncertain',
    'burn_in',
    'burn_in_iters',
    'unsup_weight',
    'train_no_object_without_labels',
}
NEED_A_REFINER = {'pldc_plepi'}
OF_ITS_HEAD = {'loss_mask', 'iou_head'}
# Of the runner; the rest are variables that configs pass to one another.
PARTS = ('model', 'dataloader', 'evaluator', 'cfg', 'hooks', 'optim_wrapper', 'param_scheduler')


@pytest.fixture
def over(compared_methods, tmp_path):
    """A method's config over a base, as the comparison writes it."""
    return lambda name, base: Config.fromfile(
        compared_methods.rebase_config(CONFIGS / f'comparison/{name}.py', CONFIGS / base, tmp_path)
    )


def experiment(config: Config) -> dict:
    return {key: value for key, value in config.to_dict().items() if key.endswith(PARTS)}


def without_methods_own(config: Config) -> dict:
    found = experiment(config)
    for key in OF_A_METHOD:
        found['model'].pop(key, None)
    for key in OF_ITS_HEAD:
        found['model']['detector']['panoptic_head'].pop(key, None)
    found['default_hooks']['mean_teacher'].pop('ramp_up', None)
    hooks = found.pop('custom_hooks', [])
    assert all(hook['type'] == 'mmpldc.ClassThresholdsLogHook' for hook in hooks)
    return found


def head(config: Config) -> dict:
    return config.model.detector.panoptic_head


@pytest.mark.parametrize('name', METHODS)
def test_config_as_it_stands_is_over_the_quickstart(name, over):
    assert over(name, BASES[0]).to_dict() == load(f'comparison/{name}.py').to_dict()


@pytest.mark.parametrize('base', BASES)
@pytest.mark.parametrize('name', [name for name in METHODS if name != 'supervised'])
def test_all_but_a_methods_parts_is_the_bases(name, base, over):
    assert without_methods_own(over(name, base)) == without_methods_own(load(base))


@pytest.mark.parametrize('base', ['quickstart/pldc.py', 'few_labels/photographs.py'])
@pytest.mark.parametrize('path', PARTS_ALONE, ids=lambda path: path.stem)
def test_a_further_part_is_all_that_differs_from_the_base(path, base, over):
    name = path.stem.replace('oracle_masks', 'mask_refiner').replace('grab_cut', 'mask_refiner')
    found, expected = over(f'parts/{path.stem}', base), load(base)
    assert found.model.pop(name)
    weak = found.train_dataloader.dataset.pop('weak_labels', None)
    assert weak == (expected.weak if name == 'weak_labels' else None)
    assert experiment(found) == experiment(expected)


@pytest.mark.parametrize('base', BASES)
def test_parts_are_those_of_the_methods_own_configs(base, over):
    pldc = load(base)
    found = {name: over(name, base) for name in METHODS}
    assert experiment(found['pldc']) == experiment(pldc)
    for name, own in (
        ('pais', load('pais/pais_mask2former_r50_coco_10pct.py')),
        (
            'guided_distillation',
            load('guided_distillation/guided_distillation_mask2former_r50_coco_10pct.py'),
        ),
        ('mean_teacher', load('pldc/ablation/without_all.py')),
    ):
        mine = found[name]
        for key in (
            *('burn_in', 'unsup_weight', 'pseudo_label_weights'),
            'train_no_object_without_labels',
        ):
            assert mine.model.get(key) == own.model.get(key)
        kept = {'duplicate_iou'}  # the base's
        thresholds = {k: v for k, v in mine.model.pseudo_label_filter.items() if k not in kept}
        assert thresholds == own.model.pseudo_label_filter
        assert mine.model.refiner is None and not own.model.get('refiner')
        assert {k: head(mine).get(k) for k in OF_ITS_HEAD} == {
            k: head(own).get(k) for k in OF_ITS_HEAD
        }
        ramp = [cfg.default_hooks.mean_teacher.get('ramp_up', False) for cfg in (mine, own)]
        assert ramp[0] == ramp[1] == (name == 'pais')
    assert found['pais'].model.burn_in_iters == 0
    assert found['guided_distillation'].model.burn_in_iters == pldc.model.burn_in_iters
    for part in ('ddtf', 'dicc', 'pmua'):
        mine, own = found[f'pldc_without_{part}'], load(f'pldc/ablation/without_{part}.py')
        coupled = (
            own.model.pseudo_label_filter if part == 'ddtf' else pldc.model.pseudo_label_filter
        )
        for key in ('class_thr', 'mask_thr', 'score_thr'):
            assert mine.model.pseudo_label_filter[key] == coupled[key]
        assert mine.model.refiner == (None if part == 'dicc' else pldc.model.refiner)
        assert head(mine).loss_mask == head(own).loss_mask
    product = found['pldc_plepi'].model.refiner
    assert product.items() >= pldc.model.refiner.items()
    assert product.fusion == 'product' and product.initial_weight == product.final_weight == 0.5


def test_parts_of_table_5_over_pldc(over):
    """A variant takes its part from the method that brought it."""
    pais = load('pais/pais_mask2former_r50_coco_10pct.py')
    found = {name: over(name, BASES[1]) for name in METHODS if name.startswith('pldc_')}
    aligning = found['pldc_dynamic_aligning'].model.pseudo_label_weights
    assert aligning == pais.model.pseudo_label_weights
    boundary = load('compatibility/guided_distillation_boundary_map_mask2former_r50_coco_10pct.py')
    assert head(found['pldc_boundary_map']) == head(boundary)
    predicted = found['pldc_predicted_iou'].model.pseudo_label_filter
    assert predicted.mask_quality == 'predicted_iou'
    assert predicted.mask_thr == pais.model.pseudo_label_filter.mask_thr
    assert head(found['pldc_predicted_iou']).iou_head == head(pais).iou_head
    gate = found['pldc_polite_gate']
    assert gate.model.pseudo_label_filter.mask_thr == 0.0
    polite = dict(type='mmpldc.MaskQualityGate', mask_thr=0.9)  # Polite Teacher
    assert gate.model.pseudo_label_weights == polite


@pytest.mark.parametrize('base', BASES)
def test_adaptive_thresholds_average_over_the_teachers_steps(base, over):
    found, expected = over('pldc_aaai', base), load(base)
    thresholds = found.model.pop('class_thresholds')
    ranges = load('pldc/pldc_aaai_mask2former_r50_coco_1pct.py').model.class_thresholds
    assert thresholds == dict(ranges, keep_rate=expected.default_hooks.mean_teacher.keep_rate)
    assert found.pop('custom_hooks') == [dict(type='mmpldc.ClassThresholdsLogHook')]
    assert experiment(found) == experiment(expected)


@pytest.mark.parametrize(
    ('base', 'supervised', 'split'),
    [
        ('quickstart/pldc.py', 'quickstart/supervised.py', None),
        (
            'pldc/pldc_mask2former_r50_coco_10pct.py',
            'supervised/mask2former_r50_coco_10pct.py',
            'annotations/semi_supervised/instances_train2017.1@10',
        ),
    ],
)
def test_supervised_run_is_the_baseline_on_equal_terms(base, supervised, split, over):
    found, expected = over('supervised', base), load(supervised)
    expected.model.refiner = None
    expected.train_dataloader.dataset.unlabeled = None
    assert experiment(found) == experiment(expected)
    assert found.train_dataloader.dataset.get('split') == split


@pytest.mark.parametrize('name', [name for name in METHODS if name not in NEED_A_REFINER])
def test_methods_over_own_data_with_fixed_thresholds(name, over, tmp_path):
    """Where the base has neither thresholds that set themselves nor a refiner."""
    text = (CONFIGS / 'custom/pldc_mask2former_r50_custom.py').read_text()
    text = text.replace("'../_base_/", f"'{CONFIGS}/_base_/")
    assert 'label_share = 0.5\n' in text
    base = tmp_path / 'own.py'
    base.write_text(text.replace('label_share = 0.5\n', 'label_share = None\n'))
    found = over(name, base)
    if name != 'supervised':
        assert without_methods_own(found) == without_methods_own(Config.fromfile(base))
    own = load(f'comparison/{name}.py').model.get('class_thresholds')
    assert found.model.get('class_thresholds') == own or name == 'pldc_aaai'  # its keep rate
