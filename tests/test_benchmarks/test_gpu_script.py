"""The script for a GPU machine runs all its stages; here on the CPU with tiny inputs."""

import json
import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

SCRIPT = Path(__file__).parents[2] / 'benchmarks/gpu.py'


@pytest.fixture
def run(python) -> Callable[..., subprocess.CompletedProcess]:
    environment = os.environ | dict(PYTHONPATH=str(SCRIPT.parents[1]))

    def run(*arguments: str, script: str = SCRIPT.name) -> subprocess.CompletedProcess:
        command = [python, SCRIPT.with_name(script), *arguments]
        return subprocess.run(command, capture_output=True, text=True, timeout=900, env=environment)

    return run


@pytest.mark.long
def test_every_stage_passes_and_leaves_its_table(run, tmp_path):
    done = run(str(tmp_path), '--device', 'cpu', '--tiny', '--minutes', '14')
    logs = '\n'.join(path.read_text()[-2000:] for path in tmp_path.glob('*.log'))
    assert done.returncode == 0, done.stdout + done.stderr + logs
    stages = [line.split(': ') for line in done.stdout.splitlines()]
    assert len(stages) == 10
    assert {result for _, result in stages} == {'passed'}
    (training,) = json.loads((tmp_path / 'training.json').read_text())['rows']
    assert training['images'] == 4
    assert training['images_a_second'] > 0
    assert 0 <= training['data_share'] <= 1
    assert len(json.loads((tmp_path / 'batches.json').read_text())['rows']) == 2


@pytest.mark.slow(longest=True)
def test_benchmarks_follow_the_head(run, tmp_path):
    done = run(str(tmp_path), '--device', 'cpu', '--tiny', '--only', 'step', 'attention')
    assert done.stdout.splitlines() == ['step: passed', 'attention: passed'], done.stderr


@pytest.mark.slow
def test_semantic_benchmark_follows_the_segmentor(run, tmp_path):
    pytest.importorskip('mmseg')
    options = ['--data', 'shapes', '--size', '64', '--runs', '1', '--warm-up', '0']
    options += ['--methods', 'unimatch', '--out', str(tmp_path)]
    done = run(*options, script='semantic_step.py')
    assert done.returncode == 0, done.stderr
    assert 'UniMatch' in (tmp_path / 'semantic_step_shapes.md').read_text()


@pytest.mark.slow
def test_without_time_or_device_it_says_so(run, tmp_path):
    done = run(str(tmp_path), '--device', 'cpu', '--tiny', '--minutes', '0.1')
    assert done.returncode == 0
    assert set(done.stdout.split('\n')[:-1]) >= {'step: left out: no time'}
    assert 'left out: no time' in (tmp_path / 'gpu.md').read_text()
    if not torch.cuda.is_available():
        done = run(str(tmp_path))
        assert done.returncode == 1
        assert 'no CUDA device' in done.stderr
