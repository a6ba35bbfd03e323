"""tools/setup_env.sh: one clear message for each missing prerequisite, and the checks it rests on.

Every run here has its own PATH, environment folder and cache, and an index that does not answer.
"""

import importlib.util
import io
import os
import re
import shutil
import subprocess
import sys
import sysconfig
import tarfile
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
SETUP = ROOT / 'tools' / 'setup_env.sh'
TOOLS = 'bash awk cat cp df dirname env find flock grep head ls mkdir mv paste readlink rm sed sort'
TOOLS += ' sleep tail tee tr uname'
DEAD = 'http://127.0.0.1:9'

needs_headers = pytest.mark.skipif(
    not os.path.exists(os.path.join(sysconfig.get_path('include'), 'Python.h')),
    reason='no Python headers here, which is what the script would complain about',
)


@pytest.fixture
def check_env():
    spec = importlib.util.spec_from_file_location('check_env', ROOT / 'tools' / 'check_env.py')
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def write_program(path, text):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f'#!/bin/bash\n{text}\n')
    path.chmod(0o755)


@pytest.fixture
def programs(tmp_path):
    """A folder for PATH with what the script calls, but neither Python nor a compiler."""
    folder = tmp_path / 'bin'
    folder.mkdir()
    for name in TOOLS.split():
        found = shutil.which(name)
        if found:
            (folder / name).symlink_to(found)
    return folder


def base_python():
    """The interpreter that this environment was made with."""
    return os.path.realpath(sys.executable)


@pytest.fixture
def run_setup(tmp_path, programs):
    """Call the script in the prepared surroundings; returns its status and all that it printed."""

    def run(**settings):
        env = {
            'PATH': str(programs),
            'HOME': str(tmp_path),
            'PIP_CONFIG_FILE': os.devnull,
            'PIP_INDEX_URL': DEAD,
            'PIP_RETRIES': '0',
            'MMPLDC_VENV': str(tmp_path / 'venv'),
            'MMPLDC_CACHE': str(tmp_path / 'cache'),
            'MMPLDC_MMCV_INDEX': DEAD,
            'MMPLDC_TORCH_CPU_INDEX': DEAD,
            'MMPLDC_MIN_DISK_GB': '0',
            **settings,
        }
        bash = shutil.which('bash')
        done = subprocess.run([bash, str(SETUP)], env=env, capture_output=True, text=True)
        return done.returncode, done.stdout + done.stderr

    return run


def add_compilers(programs):
    for name in ('gcc', 'g++'):
        write_program(programs / name, 'exit 0')


def assert_one_message(result, pattern):
    """The script failed, and its last and only message of its own matches."""
    status, output = result
    assert status == 1, output
    assert output.count('setup_env:') == 1, output
    assert re.search(f'^setup_env: .*{pattern}', output.strip().splitlines()[-1]), output


# ---- missing prerequisites


def test_no_python(run_setup):
    assert_one_message(run_setup(), r'no suitable Python.*3\.10 to 3\.13.*MMPLDC_PYTHON=')


@pytest.mark.parametrize('version', ['3.8', '3.9', '3.14'])
def test_python_of_another_age(run_setup, programs, version):
    write_program(programs / 'python3', f'echo {version}')
    assert_one_message(run_setup(), f'no suitable Python.*python3 is Python {version}')


def test_named_python_does_not_run(run_setup, programs):
    write_program(programs / 'shim', 'echo "pyenv: command not found" >&2; exit 127')
    result = run_setup(MMPLDC_PYTHON=str(programs / 'shim'))
    assert_one_message(result, 'no suitable Python.*shim')


def test_skips_interpreters_that_do_not_run_or_are_too_old(run_setup, programs):
    """The search goes on to one that fits; what stops the run here is the next prerequisite."""
    write_program(programs / 'python3', 'echo 3.8')
    write_program(programs / 'python3.11', 'exit 127')
    (programs / 'python3.12').symlink_to(base_python())
    assert_one_message(run_setup(), r'no C\+\+ compiler.*apt install g\+\+')


def test_no_compiler(run_setup):
    assert_one_message(run_setup(MMPLDC_PYTHON=base_python()), r'no C\+\+ compiler')


def test_no_python_headers(run_setup, programs, tmp_path):
    add_compilers(programs)
    real, empty = base_python(), tmp_path / 'include'
    fake = programs / 'python3'
    # A script's sys.executable is the real interpreter, so keep the question on the fake one.
    write_program(
        fake,
        f'case "$*" in *sysconfig*) echo {empty};; *sys.executable*) echo {fake};; '
        f'*) exec {real} "$@";; esac',
    )
    assert_one_message(run_setup(), r'no Python headers.*Python\.h.*apt install python3\.\d+-dev')


@needs_headers
def test_compiler_that_cannot_do_cpp17(run_setup, programs):
    add_compilers(programs)
    write_program(programs / 'g++', 'exit 1')
    assert_one_message(run_setup(MMPLDC_PYTHON=base_python()), r'g\+\+ cannot compile C\+\+17')


def test_no_venv_module(run_setup, programs):
    fake, real = programs / 'python3', base_python()
    write_program(
        fake,
        f'case "$*" in *ensurepip*) exit 1;; *sys.executable*) echo {fake};; '
        f'*) exec {real} "$@";; esac',
    )
    assert_one_message(run_setup(), r'no venv or ensurepip.*apt install python3\.\d+-venv')


def test_full_disk(run_setup):
    result = run_setup(MMPLDC_PYTHON=base_python(), MMPLDC_MIN_DISK_GB='999999')
    assert_one_message(result, r'not enough disk space.* \d+ GB free, 999999 GB are needed')


def test_place_taken_by_something_else(run_setup, tmp_path):
    (tmp_path / 'venv').mkdir()
    (tmp_path / 'venv' / 'thesis.tex').write_text('years of work')
    assert_one_message(run_setup(MMPLDC_PYTHON=base_python()), 'is no Python environment')
    assert (tmp_path / 'venv' / 'thesis.tex').exists()


@needs_headers
@pytest.mark.slow
def test_dead_index_then_broken_interpreter(run_setup, programs, tmp_path):
    add_compilers(programs)
    python = base_python()
    result = run_setup(MMPLDC_PYTHON=python)
    assert_one_message(result, r'cannot download setuptools.*does not answer.*PIP_INDEX_URL')
    assert not (tmp_path / 'venv' / '.mmpldc-complete').exists()

    # The half-made environment is taken up again ...
    result = run_setup(MMPLDC_PYTHON='none')
    assert_one_message(result, 'cannot download setuptools')
    # ... and made anew when its interpreter is gone.
    venv_python = tmp_path / 'venv' / 'bin' / 'python'
    venv_python.unlink()
    venv_python.symlink_to('/nonexistent/python')
    result = run_setup(MMPLDC_PYTHON=python)
    assert_one_message(result, 'cannot download setuptools')
    assert f'made with {python}' in result[1]


# ---- which of mmcv's operations to compile


@pytest.mark.parametrize(
    ('torch_cuda', 'gpu', 'nvcc', 'settings', 'ops', 'why'),
    [
        ('none', True, '12.8', {}, 'cpu', 'torch is a CPU build'),
        ('12.8', False, '12.8', {'FORCE_CUDA': '0'}, 'cpu', 'FORCE_CUDA=0'),
        ('12.8', False, '13.0', {}, 'cpu', r"nvcc 13\.0 does not match torch's CUDA 12\.8$"),
        ('12.8', False, None, {}, 'cpu', 'no nvcc here$'),
        ('12.8', True, None, {}, 'cpu', r'no nvcc here.*install CUDA 12\.8'),
        ('12.8', True, '13.0', {}, 'cpu', r"nvcc 13\.0 does not match torch's CUDA 12\.8"),
        ('12.8', True, '12.4', {}, 'cuda', r"nvcc 12\.4 matches torch's CUDA 12\.8"),
        ('12.8', False, '12.8', {}, 'cuda', 'matches'),
    ],
)
def test_choose_ops(programs, tmp_path, torch_cuda, gpu, nvcc, settings, ops, why):
    write_program(programs / 'python', f'echo 2.10.0+cu128 {torch_cuda}')
    if gpu:
        write_program(programs / 'nvidia-smi', 'echo 9.0')
    if nvcc:
        write_program(
            programs / 'nvcc', f'echo "Cuda compilation tools, release {nvcc}, V{nvcc}.1"'
        )
    script = f"""
        source {SETUP}
        PY={programs}/python
        python_version() {{ echo 3.11; }}
        has_gpu() {{ {str(gpu).lower()}; }}
        choose_ops
        printf '%s\\n' "$OPS" "$WHY" "$KEY" "$VENDOR_TAG"
    """
    env = {'PATH': str(programs), 'CUDA_HOME': str(tmp_path), 'HOME': str(tmp_path), **settings}
    done = subprocess.run(
        [shutil.which('bash'), '-c', script], env=env, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    chosen, reason, key, vendor_tag = done.stdout.splitlines()
    assert chosen == ops
    assert re.search(why, reason)
    assert 'py3.11-torch2.10.0+cu128-' in key
    assert ('-cu' + nvcc in key) if ops == 'cuda' else '-cpu-' in key
    assert vendor_tag == ('cpu' if torch_cuda == 'none' else 'cu128') + '-torch2100'


SDIST = {
    'PKG-INFO': 'Metadata-Version: 2.1\nName: onedl-mmcv\nVersion: 2.3.6\n',
    'mmcv/__init__.py': '',
    'mmcv/ext.c': '#include <Python.h>\nPyMODINIT_FUNC PyInit__ext(void) { return NULL; }\n',
    'setup.py': """
import os
from setuptools import Extension, setup
names = ('MMCV_WITH_OPS', 'FORCE_CUDA', 'CUDA_VISIBLE_DEVICES', 'MAX_JOBS')
with open('mmcv/__init__.py', 'w') as file:
    file.write(repr([os.environ.get(name) for name in names]))
setup(name='onedl-mmcv', version='2.3.6', packages=['mmcv'],
      ext_modules=[Extension('mmcv._ext', ['mmcv/ext.c'])])
""",
}


@needs_headers
@pytest.mark.slow
def test_compiles_into_the_cache(tmp_path):
    """With a tiny stand-in for mmcv's sdist: the settings it is built with, and where it goes."""
    with tarfile.open(tmp_path / 'onedl_mmcv-2.3.6.tar.gz', 'w:gz') as archive:
        for name, text in SDIST.items():
            member = tarfile.TarInfo(f'onedl_mmcv-2.3.6/{name}')
            member.size = len(text)
            archive.addfile(member, io.BytesIO(text.encode()))
    (tmp_path / 'work').mkdir()
    script = f"""
        source {SETUP}
        PY={sys.executable} WHEELS={tmp_path}/wheels WORK={tmp_path}/work LOG={tmp_path}/log
        OPS=cpu WHY='no GPU here' KEY=key MAX_JOBS=3
        compile_mmcv
    """
    env = os.environ | {'PIP_FIND_LINKS': str(tmp_path), 'PIP_NO_INDEX': '1'}
    done = subprocess.run(['bash', '-c', script], env=env, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    assert 'about 7 minutes on 3 cores' in done.stdout
    (path,) = (tmp_path / 'wheels' / 'key').iterdir()
    with zipfile.ZipFile(path) as wheel:
        assert wheel.read('mmcv/__init__.py').decode() == "['1', '0', '', '3']"
        assert any(name.startswith('mmcv/_ext.') for name in wheel.namelist())


@pytest.mark.slow
def test_damaged_wheel_in_the_cache_is_dropped(tmp_path):
    for name, size in (('good', None), ('damaged', 5000)):
        path = tmp_path / name / 'onedl_mmcv-2.3.6-cp311-cp311-linux_x86_64.whl'
        path.parent.mkdir()
        with zipfile.ZipFile(path, 'w') as archive:
            archive.writestr('mmcv/_ext.cpython-311.so', b'0123456789' * 1000)
        path.write_bytes(path.read_bytes()[:size])
    script = f"""
        source {SETUP}
        PY={sys.executable} WHEELS={tmp_path}
        run_pip() {{ echo "pip $*"; }}
        try_wheel none || try_wheel damaged || try_wheel good
    """
    done = subprocess.run(['bash', '-c', script], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    dropped, installed, taken = done.stdout.splitlines()
    assert re.search(r'/damaged/.* dropping it', dropped)
    assert re.search(r'pip install --no-deps --force-reinstall .*/good/', installed)
    assert 'installed from' in taken
    assert [path.parent.name for path in tmp_path.glob('*/*.whl')] == ['good']


# ---- what the script asks check_env.py


@pytest.mark.parametrize(
    ('line', 'expected'),
    [
        ('numpy==2.2.6', {'numpy': '2.2.6'}),
        ('# a comment', {}),
        ('tomli==2.5.0 ; python_version < "3.11"', {} if sys.version_info >= (3, 11) else None),
        ('tomli==2.5.0 ; python_version < "3.99"', {'tomli': '2.5.0'}),
    ],
)
def test_read_pins(check_env, tmp_path, line, expected):
    path = tmp_path / 'constraints.txt'
    path.write_text(line + '\n')
    assert check_env.read_pins(path) == ({'tomli': '2.5.0'} if expected is None else expected)


@pytest.mark.parametrize('line', ['numpy>=2', 'numpy', 'numpy==2.2.6 ; sys_platform == "linux"'])
def test_read_pins_refuses_what_is_no_pin(check_env, tmp_path, line):
    path = tmp_path / 'constraints.txt'
    path.write_text(line)
    with pytest.raises(ValueError, match=r'constraints\.txt: cannot read'):
        check_env.read_pins(path)


def test_find_mismatches(check_env, monkeypatch, tmp_path):
    for name, version, record in [
        ('numpy', '2.2.6', True),
        ('torch', '2.10.0+cpu', True),
        ('open_clip_torch', '3.2.0', True),
        ('scipy', '1.15.3', False),
        ('opencv-python', '4.13.0.92', True),
    ]:
        info = tmp_path / f'{name}-{version}.dist-info'
        info.mkdir()
        (info / 'METADATA').write_text(f'Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n')
        if record:
            (info / 'RECORD').write_text('x')
    monkeypatch.setattr(sys, 'path', [str(tmp_path)])
    pins = {'numpy': '2.2.6', 'torch': '2.10.0', 'open-clip-torch': '3.3.0', 'scipy': '1.15.3'}
    assert check_env.find_mismatches(pins) == [
        'open-clip-torch is 3.2.0, pinned is 3.3.0',
        'scipy is missing',
        'opencv-python overwrites files of opencv-python-headless',
    ]


def test_is_good_wheel(check_env, tmp_path):
    good, no_ops, cut = (tmp_path / f'{name}.whl' for name in ('good', 'no_ops', 'cut'))
    for path, member in ((good, 'mmcv/_ext.cpython-311.so'), (no_ops, 'mmcv/__init__.py')):
        with zipfile.ZipFile(path, 'w') as archive:
            archive.writestr(member, b'0123456789' * 1000)
    cut.write_bytes(good.read_bytes()[:5000])
    verdicts = [check_env.is_good_wheel(path) for path in (good, no_ops, cut, tmp_path / 'none')]
    assert verdicts == [True, False, False, False]


def test_stamp_is_bound_to_the_requirement_files(check_env, monkeypatch, tmp_path):
    (tmp_path / 'requirements').mkdir()
    pins = tmp_path / 'requirements' / 'constraints.txt'
    pins.write_text('pytest==1\n')
    monkeypatch.setattr(check_env, 'ROOT', tmp_path)
    before = check_env.fingerprint()
    assert check_env.fingerprint() == before
    pins.write_text('pytest==2\n')
    assert check_env.fingerprint() != before


def test_unreadable_stamp_is_not_complete(check_env, monkeypatch, tmp_path):
    monkeypatch.setattr(check_env, 'STAMP', tmp_path / 'stamp')
    assert not check_env.is_complete()
    check_env.STAMP.write_text('something else')
    assert not check_env.is_complete()
