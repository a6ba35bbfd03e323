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
import time
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


def run_bash(script, env):
    """The lines that a script prints, which must succeed."""
    bash = shutil.which('bash')
    done = subprocess.run([bash, '-c', script], env=env, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout.splitlines()


def assert_one_message(result, pattern):
    """The script failed, and its last and only message of its own matches."""
    status, output = result
    assert status == 1, output
    assert output.count('setup_env:') == 1, output
    assert re.search(f'^setup_env: .*{pattern}', output.strip().splitlines()[-1]), output


# ---- missing prerequisites

PYTHON = os.path.realpath(sys.executable)  # that this environment was made with
COMPILERS = {'gcc': 'exit 0', 'g++': 'exit 0'}
# A script's sys.executable is the real interpreter, so keep the question on the fake one.
FAKE = f'case "$*" in {{}} *sys.executable*) echo "$0";; *) exec {PYTHON} "$@";; esac'


@pytest.mark.parametrize(
    ('found', 'settings', 'message'),
    [
        ({}, {}, r'no suitable Python.*3\.10 to 3\.13.*MMPLDC_PYTHON='),
        ({'python3': 'echo 3.9'}, {}, 'no suitable Python.*python3 is Python 3.9'),
        ({'python3': 'echo 3.14'}, {}, 'no suitable Python.*python3 is Python 3.14'),
        ({'shim': 'exit 127'}, {'MMPLDC_PYTHON': 'shim'}, 'no suitable Python.*shim'),
        # The search goes on to one that fits; the next prerequisite is what stops the run.
        (
            {'python3': 'echo 3.9', 'python3.11': 'exit 127', 'python3.12': f'exec {PYTHON} "$@"'},
            {},
            r'no C\+\+ compiler.*apt install g\+\+',
        ),
        (
            {'python3': FAKE.format('*sysconfig*) echo /none;;'), **COMPILERS},
            {},
            r'no Python headers.*Python\.h.*apt install python3\.\d+-dev',
        ),
        pytest.param(
            {'gcc': 'exit 0', 'g++': 'exit 1'},
            {'MMPLDC_PYTHON': PYTHON},
            r'g\+\+ cannot compile C\+\+17',
            marks=needs_headers,
        ),
        (
            {'python3': FAKE.format('*ensurepip*) exit 1;;')},
            {},
            r'no venv or ensurepip.*apt install python3\.\d+-venv',
        ),
        (
            {},
            {'MMPLDC_PYTHON': PYTHON, 'MMPLDC_MIN_DISK_GB': '999999'},
            r'not enough disk space.* \d+ GB free, 999999 GB are needed',
        ),
    ],
)
def test_missing_prerequisite(run_setup, programs, found, settings, message):
    for name, text in found.items():
        write_program(programs / name, text)
    assert_one_message(run_setup(**settings), message)


def test_place_taken_by_something_else(run_setup, tmp_path):
    (tmp_path / 'venv').mkdir()
    (tmp_path / 'venv' / 'thesis.tex').write_text('years of work')
    assert_one_message(run_setup(MMPLDC_PYTHON=PYTHON), 'is no Python environment')
    assert (tmp_path / 'venv' / 'thesis.tex').exists()


@needs_headers
@pytest.mark.slow
def test_dead_index_then_broken_interpreter(run_setup, programs, tmp_path):
    for name, text in COMPILERS.items():
        write_program(programs / name, text)
    result = run_setup(MMPLDC_PYTHON=PYTHON)
    assert_one_message(result, r'cannot download setuptools.*does not answer.*PIP_INDEX_URL')
    assert not (tmp_path / 'venv' / '.mmpldc-complete').exists()

    # The half-made environment is taken up again ...
    result = run_setup(MMPLDC_PYTHON='none')
    assert_one_message(result, 'cannot download setuptools')
    # ... and made anew when its interpreter is gone.
    venv_python = tmp_path / 'venv' / 'bin' / 'python'
    venv_python.unlink()
    venv_python.symlink_to('/nonexistent/python')
    result = run_setup(MMPLDC_PYTHON=PYTHON)
    assert_one_message(result, 'cannot download setuptools')
    assert f'made with {PYTHON}' in result[1]


# ---- which of mmcv's operations to compile


@pytest.mark.parametrize(
    ('torch_cuda', 'gpu', 'nvcc', 'settings', 'ops', 'why'),
    [
        ('none', True, '12.8', {}, 'cpu', ''),
        ('12.8', False, '12.8', {'FORCE_CUDA': '0'}, 'cpu', ''),
        ('12.8', True, None, {}, 'cpu', r'no nvcc .*install CUDA 12\.8'),
        ('12.8', True, '13.0', {}, 'cpu', r'nvcc 13\.0 does not match .*install CUDA 12\.8'),
        ('12.8', True, '12.4', {}, 'cuda', ''),
        ('12.8', False, '12.8', {}, 'cuda', ''),
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
    chosen, reason, key, vendor_tag = run_bash(script, env)
    assert chosen == ops
    assert re.search(why, reason)
    assert 'py3.11-torch2.10.0+cu128-' in key
    assert ('-cu' + nvcc in key) if ops == 'cuda' else '-cpu-' in key
    assert vendor_tag == ('cpu' if torch_cuda == 'none' else 'cu128') + '-torch2100'


SDIST = {
    'PKG-INFO': 'Metadata-Version: 2.1\nName: onedl-mmcv\nVersion: 2.3.6\n',
    'mmcv/__init__.py': '',
    'mmcv/ext.cpp': """
#include <Python.h>
#if !defined(PRECOMPILED) && !defined(REFUSED)
#error "the header was read as text"
#endif
PyMODINIT_FUNC PyInit__ext(void) { return NULL; }
""",
    'setup.py': """
import os
from setuptools import setup
from torch.utils.cpp_extension import BuildExtension, CppExtension
names = ('MMCV_WITH_OPS', 'FORCE_CUDA', 'CUDA_VISIBLE_DEVICES', 'MAX_JOBS')
with open('mmcv/__init__.py', 'w') as file:
    file.write(repr([os.environ.get(name) for name in names]))
setup(name='onedl-mmcv', version='2.3.6', packages=['mmcv'], cmdclass={'build_ext': BuildExtension},
      ext_modules=[CppExtension('mmcv._ext', ['mmcv/ext.cpp'], extra_compile_args=['-std=c++17'])])
""",
}


@needs_headers
@pytest.mark.slow
@pytest.mark.parametrize('refused', [False, True])
def test_compiles_into_the_cache(tmp_path, programs, refused):
    """A tiny stand-in for mmcv, built as torch builds it: settings, precompiled header, wheel."""
    with tarfile.open(tmp_path / 'onedl_mmcv-2.3.6.tar.gz', 'w:gz') as archive:
        for name, text in SDIST.items():
            member = tarfile.TarInfo(f'onedl_mmcv-2.3.6/{name}')
            member.size = len(text)
            archive.addfile(member, io.BytesIO(text.encode()))
    (tmp_path / 'work').mkdir()
    # The build itself does not find this header: only the precompiled one has the macro.
    header = tmp_path / 'venv/lib/python3.11/site-packages/torch/include/torch/types.h'
    header.parent.mkdir(parents=True)
    header.write_text('#define PRECOMPILED TORCH_EXTENSION_NAME\n')
    env = os.environ | {'PIP_FIND_LINKS': str(tmp_path), 'PIP_NO_INDEX': '1'}
    if refused:
        compiler = programs / 'g++'
        write_program(
            compiler,
            f'case "$*" in *c++-header*) exit 1;; *) exec {shutil.which("g++")} "$@";; esac',
        )
        env |= {'CXX': str(compiler), 'CFLAGS': '-DREFUSED'}
    script = f"""
        source {SETUP}
        VENV={tmp_path}/venv PY={sys.executable}
        WHEELS={tmp_path}/wheels WORK={tmp_path}/work LOG={tmp_path}/log
        OPS=cpu WHY='no GPU here' KEY=key MAX_JOBS=3
        compile_mmcv
    """
    printed = run_bash(script, env)
    assert any('refuses a precompiled header' in line for line in printed) == refused
    compiled = re.findall(r'^.* -c .*/ext\.cpp .*$', (tmp_path / 'work/mmcv.log').read_text(), re.M)
    assert all(f'{flag} ' in compiled[0] for flag in ('-O3', '-DNDEBUG', '-fwrapv', '-g0'))
    (path,) = (tmp_path / 'wheels' / 'key').iterdir()
    with zipfile.ZipFile(path) as wheel:
        assert wheel.read('mmcv/__init__.py').decode() == "['1', '0', '', '3']"
        assert any(name.startswith('mmcv/_ext.') for name in wheel.namelist())


@pytest.mark.parametrize(
    ('end', 'message'),
    [
        ('true', ''),
        ("die 'no compiler'", '\nsetup_env: no compiler\n'),
        ('false', '\nsetup_env: stopped in step 0 of 6'),
    ],
)
def test_compiles_beside_the_other_packages(tmp_path, end, message):
    """What fails there ends the script, with one message."""
    script = f"""
        source {SETUP}
        VENV={tmp_path} WHEELS={tmp_path} WORK={tmp_path}/work PY=true
        choose_ops() {{ VENDOR_KEY=vendor KEY=key; }}
        fetch_vendor_wheel() {{ return 1; }}
        compile_mmcv() {{ sleep 0.5; echo compiled; {end}; }}
        trap tidy_up EXIT
        begin_mmcv
        echo installed
        finish_mmcv
    """
    done = subprocess.run(['bash', '-c', script], capture_output=True, text=True)
    assert done.returncode == (1 if message else 0), done.stderr
    assert done.stdout.split('\n')[:2] == ['installed', 'compiled']
    assert done.stderr.startswith(message) and done.stderr.count('setup_env:') == bool(message)


def test_compiling_ends_with_the_script(tmp_path):
    script = f"""
        source {SETUP}
        VENV={tmp_path} WHEELS={tmp_path} WORK={tmp_path}/work
        choose_ops() {{ VENDOR_KEY=vendor KEY=key; }}
        fetch_vendor_wheel() {{ return 1; }}
        compile_mmcv() {{ bash -c 'echo $$ >{tmp_path}/pid; sleep 100 & wait'; }}
        trap tidy_up EXIT
        begin_mmcv
        until [[ -s {tmp_path}/pid ]]; do sleep 0.1; done
        die 'no network'
    """
    done = subprocess.run(['bash', '-c', script], capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stderr) == (1, '\nsetup_env: no network\n')
    process = Path(f'/proc/{(tmp_path / "pid").read_text().strip()}')
    deadline = time.monotonic() + 30  # it was told to end; on a busy machine that takes a moment
    while process.exists() and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not process.exists()


@pytest.mark.slow
def test_a_wheel_in_the_cache_that_is_no_good_is_dropped(tmp_path):
    for name, member, size in (
        ('good', 'mmcv/_ext.cpython-311.so', None),
        ('damaged', 'mmcv/_ext.cpython-311.so', 5000),
        ('without_ops', 'mmcv/__init__.py', None),
    ):
        path = tmp_path / name / 'onedl_mmcv-2.3.6-cp311-cp311-linux_x86_64.whl'
        path.parent.mkdir()
        with zipfile.ZipFile(path, 'w') as archive:
            archive.writestr(member, b'0123456789' * 1000)
        path.write_bytes(path.read_bytes()[:size])
    script = f"""
        source {SETUP}
        PY={sys.executable} WHEELS={tmp_path}
        run_pip() {{ echo "pip $*"; }}
        try_wheel none || try_wheel damaged || try_wheel without_ops || try_wheel good
    """
    printed = run_bash(script, os.environ)
    installed = [line for line in printed if line.startswith('pip install')]
    assert len(installed) == 1 and '/good/' in installed[0]
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


def test_the_stamp_is_bound_to_the_requirement_files(check_env, monkeypatch, tmp_path):
    (tmp_path / 'requirements').mkdir()
    pins = tmp_path / 'requirements' / 'constraints.txt'
    pins.write_text('pytest==1\n')
    monkeypatch.setattr(check_env, 'ROOT', tmp_path)
    monkeypatch.setattr(check_env, 'STAMP', tmp_path / 'stamp')
    before = check_env.fingerprint()
    assert check_env.fingerprint() == before
    assert not check_env.is_complete()  # without a stamp
    pins.write_text('pytest==2\n')
    assert check_env.fingerprint() != before
    check_env.STAMP.write_text(before)
    assert not check_env.is_complete()
