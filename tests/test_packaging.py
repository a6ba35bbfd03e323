"""The package's metadata, its import check, its pins, and the wheel it builds."""

import importlib.metadata
import re
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import modelindex
import pytest
import yaml

import mmpldc
from mmpldc import _compat

ROOT = Path(__file__).resolve().parent.parent
REQUIREMENTS = ROOT / 'requirements'


def requirement_names(path):
    """The normalised names of the distributions that a requirements file asks for."""
    lines = (line.split('#')[0].strip() for line in path.read_text().splitlines())
    names = (re.match(r'[\w.-]+', line) for line in lines if line)
    return {re.sub(r'[-_.]+', '-', name.group()).lower() for name in names if name}


# ---- version and import check


def test_version_is_the_installed_one():
    assert mmpldc.__version__ == importlib.metadata.version('mmpldc')


@pytest.mark.parametrize(
    ('version', 'expected'),
    [
        ('2.10.0', (2, 10, 0)),
        ('2.10.0+cu128', (2, 10, 0)),
        ('2.3.2.post2', (2, 3, 2)),
        ('3.0.0rc1', (3, 0, 0)),
        ('v1.2', (1, 2)),
        ('unknown', ()),
    ],
)
def test_release(version, expected):
    assert _compat.release(version) == expected


GOOD = {
    'torch': '2.10.0',
    'torchvision': '0.25.0',
    'onedl-mmengine': '0.10.12',
    'onedl-mmcv': '2.3.6',
    'onedl-mmdetection': '3.5.1',
}
ORIGINALS = {
    'torch': '2.1.2',
    'torchvision': '0.16.2',
    'mmengine': '0.10.7',
    'mmcv': '2.1.0',
    'mmdet': '3.3.0',
}


def pretend(monkeypatch, distributions, *, has_ops=True):
    """Let the import check see exactly these distributions (name -> version)."""
    provides = {
        needed.module
        for needed in _compat.REQUIREMENTS
        if any(name in distributions for name in needed.distributions)
    }
    monkeypatch.setattr(_compat, 'is_installed', lambda module: module in provides)
    monkeypatch.setattr(
        _compat,
        'installed_version',
        lambda names: next((distributions[n] for n in names if n in distributions), None),
    )
    monkeypatch.setattr(_compat, 'mmcv_has_ops', lambda: has_ops)


@pytest.mark.parametrize(
    ('distributions', 'has_ops', 'expected'),
    [
        pytest.param(GOOD, True, [], id='onedl'),
        pytest.param(ORIGINALS, True, [], id='originals'),
        pytest.param(
            {**GOOD, 'onedl-mmdetection': None},
            True,
            ['mmdet is not installed: pip install .onedl-mmdetection>=3.3.0. .or mmdet.'],
            id='missing',
        ),
        pytest.param(
            {**ORIGINALS, 'mmengine': '0.7.4'},
            True,
            ['mmengine 0.7.4 is too old: mmpldc needs mmengine >= 0.10.0'],
            id='too old',
        ),
        pytest.param(GOOD, False, ['mmcv._ext is missing'], id='no ops'),
        pytest.param(
            {**GOOD, 'onedl-mmcv': '1.7.1'},
            False,
            ['mmcv 1.7.1 is too old'],
            id='the age of mmcv goes before its ops',
        ),
        pytest.param(
            {},
            True,
            [
                'torch is not',
                'torchvision is not',
                'mmengine is not',
                'mmcv is not',
                'mmdet is not',
            ],
            id='nothing',
        ),
    ],
)
def test_find_problems(monkeypatch, distributions, has_ops, expected):
    present = {name: version for name, version in distributions.items() if version}
    pretend(monkeypatch, present, has_ops=has_ops)
    problems = _compat.find_problems()
    assert len(problems) == len(expected)
    for problem, pattern in zip(problems, expected, strict=True):
        assert re.search(pattern, problem)


def test_import_error_names_everything_at_once(monkeypatch):
    pretend(monkeypatch, {'torch': '1.13.1'})
    with pytest.raises(ImportError, match=r'torch 1\.13\.1 is too old[\s\S]*mmdet is not'):
        _compat.check_environment()


def test_this_environment_has_no_problems():
    assert _compat.find_problems() == []


def test_import_is_cheap():
    """Importing mmpldc imports neither torch nor any OpenMMLab package."""
    code = (
        'import sys, mmpldc; '
        "print([m for m in ('torch', 'mmengine', 'mmcv', 'mmdet', 'cv2') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, '-c', code], capture_output=True, text=True, cwd=ROOT)
    assert (done.stdout.strip(), done.stderr) == ('[]', '')


@pytest.mark.parametrize(
    ('version', 'expected'), [('5.24.0', False), ('4.50.1', True), (None, True)]
)
def test_mmpretrains_multimodal_models_are_left_out_where_they_fail(monkeypatch, version, expected):
    dependency = pytest.importorskip('mmpretrain.utils.dependency')
    monkeypatch.setattr(dependency, 'WITH_MULTIMODAL', True)
    monkeypatch.setattr(_compat, 'installed_version', lambda names: version)
    _compat.leave_out_multimodal()
    assert dependency.WITH_MULTIMODAL is expected


# ---- requirement files


@pytest.mark.parametrize('path', sorted(REQUIREMENTS.glob('*.txt')), ids=lambda path: path.name)
def test_constraints_pin_every_requirement(path):
    assert requirement_names(path) <= requirement_names(REQUIREMENTS / 'constraints.txt')


def test_constraints_are_pins_of_one_opencv():
    lines = [
        line
        for line in (REQUIREMENTS / 'constraints.txt').read_text().splitlines()
        if line and not line.startswith('#')
    ]
    assert all(re.fullmatch(r'[a-z0-9-]+==[\w.]+( ; python_version < "3.\d+")?', p) for p in lines)
    names = [line.split('==')[0] for line in lines]
    assert names == sorted(set(names))
    assert [name for name in names if 'opencv' in name] == ['opencv-python-headless']


def test_top_level_requirements_name_every_file():
    lines = (ROOT / 'requirements.txt').read_text().splitlines()
    named = {line.removeprefix('-r requirements/') for line in lines}
    assert named == {path.name for path in REQUIREMENTS.glob('*.txt')} - {'constraints.txt'}


def test_ruff_is_the_same_in_pre_commit():
    pins = (REQUIREMENTS / 'tests.txt').read_text() + (REQUIREMENTS / 'constraints.txt').read_text()
    hooks = (ROOT / '.pre-commit-config.yaml').read_text()
    (hook,) = re.findall(r'ruff-pre-commit\n\s+rev: v([\d.]+)', hooks)
    assert set(re.findall(r'^ruff==([\d.]+)', pins, re.MULTILINE)) == {hook}


# ---- the model index


def test_model_index_is_valid_and_names_configs_that_exist():
    index = modelindex.load(str(ROOT / 'model-index.yml'))
    index.build_models_with_collections()
    assert index.check(silent=True) == []
    configs = [model.config for model in index.models]
    assert configs
    assert [config for config in configs if not (ROOT / config).is_file()] == []


def test_model_index_imports_every_metafile():
    imports = yaml.safe_load((ROOT / 'model-index.yml').read_text())['Import']
    files = [str(path.relative_to(ROOT)) for path in ROOT.glob('configs/*/metafile.yml')]
    assert imports == sorted(files)


def test_published_results_are_marked_as_not_reproduced():
    for model in modelindex.load(str(ROOT / 'model-index.yml')).models:
        assert model.metadata.data['Reproduced'] is False
        assert all(list(result.metrics) == ['mask AP (published)'] for result in model.results)


# ---- the wheel


@pytest.fixture(scope='module')
def wheel(tmp_path_factory):
    """A wheel built from a copy of the source tree, so that nothing is left in the tree itself."""
    folder = tmp_path_factory.mktemp('wheel')
    skip = shutil.ignore_patterns('.*', '__pycache__', 'data', 'work_dirs', 'build', '*.egg-info')
    shutil.copytree(ROOT, folder / 'source', ignore=skip)
    command = [sys.executable, '-m', 'pip', 'wheel', '--no-deps', '--no-build-isolation']
    command += ['--disable-pip-version-check', '-w', str(folder), str(folder / 'source')]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    (path,) = folder.glob('mmpldc-*.whl')
    return path


@pytest.mark.slow
def test_wheel_carries_modules_configs_and_tools(wheel):
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
    expected = {'mmpldc/.mim/model-index.yml', 'mmpldc/py.typed'}
    expected |= {str(path.relative_to(ROOT)) for path in ROOT.glob('mmpldc/**/*.py')}
    templates = ROOT.glob('mmpldc/report/templates/**/*')
    expected |= {str(path.relative_to(ROOT)) for path in templates if path.is_file()}
    for folder in ('configs', 'tools'):
        files = (path.relative_to(ROOT) for path in (ROOT / folder).glob('**/*.py'))
        expected |= {f'mmpldc/.mim/{path}' for path in files}
    assert expected - names == set()
    assert not [name for name in names if name.startswith('tests/') or '__pycache__' in name]


@pytest.mark.slow
def test_wheel_forces_no_second_copy_of_openmmlab_or_torch(wheel):
    (info,) = importlib.metadata.distributions(path=[str(wheel)])
    required = [r for r in info.requires if 'extra ==' not in r]
    names = {re.match(r'[\w.-]+', requirement).group() for requirement in required}
    assert names == requirement_names(REQUIREMENTS / 'runtime.txt')
    assert not [name for name in names if re.search('mm|torch|opencv', name)]
    extras = set(info.metadata.get_all('Provides-Extra'))
    named = {'mminstall', 'optional', 'report', 'export', 'sam', 'semantic', 'docs', 'tests', 'all'}
    assert extras == named


@pytest.mark.slow
def test_wheel_works_where_it_is_installed(wheel, tmp_path):
    command = [sys.executable, '-m', 'pip', 'install', '--no-deps', '--target', str(tmp_path)]
    subprocess.run([*command, str(wheel)], check=True, capture_output=True)
    code = 'import mmpldc; print(mmpldc.__version__, mmpldc.__file__)'
    done = subprocess.run(
        [sys.executable, '-c', code],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        env={'PYTHONPATH': str(tmp_path), 'PATH': ''},
    )
    assert done.stdout.split() == [
        mmpldc.__version__,
        str(tmp_path / 'mmpldc' / '__init__.py'),
    ], done.stderr
