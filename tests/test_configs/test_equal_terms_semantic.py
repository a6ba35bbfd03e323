"""Methods of semantic segmentation on equal terms: over a base they differ in their parts alone."""

import pytest
from documented import CONFIGS
from mmengine.config import Config

pytest.importorskip('mmseg')
FOLDER = CONFIGS / 'comparison/semantic'
METHODS = sorted(path.stem for path in FOLDER.glob('[a-z]*.py'))
BASES = ['comparison/semantic/_base.py', 'semantic/shapes/_base.py', 'semantic/voc/_base.py']
PHOTOGRAPHS = 'comparison/semantic/_photographs.py'
OF_A_METHOD = {  # what a method may have of its own in the model
    'reliability',
    'student_views',
    'unsup_loss',
    'ease',
    'contrast',
    'unsup_weight',
    'sup_weight',
}
PARTS = ('model', 'dataloader', 'evaluator', 'cfg', 'hooks', 'optim_wrapper', 'param_scheduler')


@pytest.fixture
def over(compared_methods, tmp_path):
    """A method's config over a base, as the comparison writes it."""

    def over(name: str, base: str) -> Config:
        path = compared_methods.rebase_config(FOLDER / f'{name}.py', CONFIGS / base, tmp_path)
        return Config.fromfile(path)

    return over


@pytest.fixture
def task(compared_methods):
    from tasks import TASKS

    return TASKS['semantic']


def experiment(config: Config) -> dict:
    return {key: value for key, value in config.to_dict().items() if key.endswith(PARTS)}


def of_all(config: Config) -> dict:
    """The settings that must be the base's."""
    found = experiment(config)
    for key in OF_A_METHOD:
        found['model'].pop(key, None)
    head = found['model']['segmentor']['decode_head']
    head.pop('representation_channels', None)
    head.pop('type')  # U2PL's has a branch
    found['default_hooks'].pop('mean_teacher')
    found['train_dataloader']['dataset']['unlabeled'].pop('pipeline')  # its views
    return found


def test_every_config_is_a_method(task):
    assert sorted(task.methods) == METHODS and task.configs == FOLDER


@pytest.mark.parametrize('base', [*BASES, PHOTOGRAPHS])
@pytest.mark.parametrize('name', [name for name in METHODS if name != 'supervised'])
def test_all_but_a_methods_parts_is_the_bases(name, base, over):
    found, expected = over(name, base), Config.fromfile(CONFIGS / base)
    assert of_all(found) == of_all(expected)
    teacher = found.default_hooks.mean_teacher
    own = expected.unimatch_teacher if name == 'unimatch' else expected.mean_teacher_teacher
    assert teacher.items() >= own.mean_teacher.items()
    unlabeled = found.train_dataloader.dataset.unlabeled.pipeline
    assert unlabeled[1:-1] == expected.geometry  # between loading and the views


@pytest.mark.parametrize('base', [*BASES, PHOTOGRAPHS])
def test_supervised_run_has_the_others_labelled_batches_and_steps(base, over):
    found, expected = over('supervised', base), Config.fromfile(CONFIGS / base)
    loader, own = found.train_dataloader, expected.train_dataloader
    assert loader.batch_size == loader.sampler.batch_size == own.batch_size // 2
    assert loader.sampler.source_ratio == [1] and loader.dataset.unlabeled is None
    assert loader.dataset.labeled == own.dataset.labeled
    assert found.train_cfg == expected.train_cfg and found.model.unsup_weight == 0
    own_model = expected.model.to_dict()
    assert dict(own_model, unsup_weight=0.0) == found.model.to_dict()


@pytest.mark.parametrize('base', BASES[1:])
@pytest.mark.parametrize('name', ['mean_teacher', 'u2pl', 'imas', 'unimatch'])
def test_parts_are_those_of_the_methods_own_configs(name, base, over):
    own = Config.fromfile((CONFIGS / base).parent / f'{name}.py')
    found = over(name, base)
    for key in OF_A_METHOD - {'contrast'}:
        assert found.model.get(key) == own.model.get(key), key
    mine, theirs = found.model.get('contrast'), own.model.get('contrast')
    of_the_base = ('capacity', 'background_capacity', 'channels')
    if name == 'u2pl':
        for key in of_the_base:
            mine.pop(key), theirs.pop(key)
    assert mine == theirs


def test_variants_lack_one_part(over):
    u2pl, imas = over('u2pl', BASES[0]).model, over('imas', BASES[0]).model
    found = {name: over(name, BASES[0]).model for name in METHODS if '_without_' in name}
    without_contrast = found['u2pl_without_contrast']
    assert without_contrast.contrast is None
    for key in OF_A_METHOD - {'contrast'}:
        assert without_contrast.get(key) == u2pl.get(key)
    changed = dict(
        imas_without_weights={'unsup_loss'},
        imas_without_blending={'student_views'},
        imas_without_cutmix_by_ease={'student_views'},
    )
    for name, keys in changed.items():
        for key in imas:
            assert (found[name][key] == imas[key]) == (key not in keys), (name, key)
    assert found['imas_without_weights'].unsup_loss.average == 'valid'
    strong, mixed = found['imas_without_blending'].student_views
    assert not strong.blend_by_ease and mixed == imas.student_views[1]
    strong, mixed = found['imas_without_cutmix_by_ease'].student_views
    assert strong == imas.student_views[0] and mixed.mix.partner == 'next' and mixed.mix.prob == 0.5


def test_a_threshold_reaches_what_a_method_calls_so(task, over):
    for name in METHODS:
        config = over(name, BASES[0])
        options = task.setting(name, 0.8)
        for key in options:  # each is there already
            value = config
            for part in key.split('.'):
                value = value[part]
        config.merge_from_dict(options)
        reliability = config.model.get('reliability', {})
        if name.startswith('u2pl'):
            assert reliability.unreliable_share.start == pytest.approx(0.2)  # U2PL's own
        elif name != 'supervised':
            assert reliability.threshold == 0.8
        if name.startswith('imas'):
            assert config.model.ease.threshold == 0.8


def test_who_continues_the_supervised_burn_in(task, over):
    supervised = over('supervised', BASES[0])
    shares = {name for name in METHODS if task.shares_burn_in(over(name, BASES[0]), supervised)}
    # U2PL has another head, UniMatch halves the supervised loss
    assert set(METHODS) - shares == {'u2pl', 'unimatch'}
