"""The comparison on a base of two steps, run as a user runs it: once whole, once again."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
from mmengine.config import Config

from mmpldc.datasets.shapes import make_dataset

ROOT = Path(__file__).parents[2]
SCRIPT = ROOT / 'benchmarks/compare_methods.py'
BURN_IN, STEPS = 2, 6


@pytest.fixture
def base(tmp_path, shrink, monkeypatch) -> Path:
    """The quickstart's PL-DC without CLIP, small and short."""
    root = tmp_path / 'shapes'
    make_dataset(root, seed=0, workers=1, num_labeled=40, num_train=48, num_tuning=4, num_test=3)
    monkeypatch.setenv('MMPLDC_SHAPES', f'{root}/')
    cfg = shrink(Config.fromfile(ROOT / 'configs/quickstart/pldc.py'))
    cfg.model.refiner = None
    batch_size = dict(batch_size=4)
    cfg.merge_from_dict(
        {
            'model.burn_in_iters': BURN_IN,
            'train_cfg': dict(max_iters=STEPS, val_interval=3),
            'param_scheduler': None,
            'default_hooks.logger.interval': 1,
            'train_dataloader': dict(**batch_size, sampler=batch_size),
        }
    )
    path = tmp_path / 'base.py'
    cfg.dump(path)
    return path


def compare(*args) -> subprocess.CompletedProcess:
    return subprocess.run(
        [sys.executable, SCRIPT, *map(str, args)],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def test_seeds_to_choose_on_and_to_report_are_others(tmp_path):
    process = compare('--seeds', 0, 1, '--tuning-seeds', 1, '--work-dir', tmp_path)
    assert process.returncode == 2 and 'other seeds than the reported ones' in process.stdout


@pytest.mark.slow
def test_comparison(base, tmp_path):
    work_dir, page = tmp_path / 'work', tmp_path / 'comparison.md'
    args = ['--base', base, '--work-dir', work_dir, '--out', page, '--methods', 'pldc']
    args += ['guided_distillation', '--seeds', 1, '--grid', 0.01, '--num-images', 4, '--jobs', 1]
    args += ['--cost-steps', 7, '--cost-rounds', 1]
    process = compare(*args)
    assert process.returncode == 0, process.stdout[-3000:]
    trained = [line.removeprefix(f'{work_dir}/') for line in process.stdout.splitlines()]
    runs = [
        f'seed{seed}/{name}@0.01' for name in ('pldc', 'guided_distillation') for seed in (0, 1)
    ]
    runs += ['seed0/supervised', 'seed1/supervised']
    assert {line for line in trained if line.startswith('seed')} == set(runs)

    def config(name: str) -> Config:
        return Config.fromfile(next((work_dir / name).glob('*.py')))

    def log(name: str) -> str:
        return (work_dir / name / 'stdout.log').read_text()

    for name in runs:
        assert config(name).randomness.seed == int(name[4])
        kept = {path.stem for path in (work_dir / name).glob('iter_*.pth')}
        assert kept >= {f'iter_{STEPS}', f'iter_{STEPS // 2}'} and 'iter_1' not in kept
        steps = re.findall(r'Iter\(train\) \[(\d)/6\]', log(name))
        continues = name.partition('/')[2].startswith('pldc')
        assert steps == (list('3456') if continues else list('123456'))
    assert f'{work_dir}/seed1/supervised/iter_{BURN_IN}.pth' in log('seed1/pldc@0.01')
    hook = config('seed1/guided_distillation@0.01').custom_hooks[0]
    assert hook.teacher_checkpoint == f'{work_dir}/seed1/supervised/iter_{STEPS}.pth'

    found = json.loads((work_dir / 'comparison.json').read_text())
    assert list(found['methods']) == ['supervised', 'pldc', 'guided_distillation']
    assert found['chosen']['pldc']['best'] == 0.01
    for name, method in found['methods'].items():
        (run,) = method['runs']
        assert all(-100 <= ap <= 100 for ap in run['ap'].values())
        assert set(run.get('pseudo_labels', {})) == (set() if name == 'supervised' else {'3', '6'})
        assert method['cost']['step'][0] > 0 and method['cost']['memory'] > 2**27
    shares = {name: method['burn_in'] for name, method in found['methods'].items()}
    assert shares == dict(supervised=1.0, pldc=BURN_IN / STEPS, guided_distillation=0.0)
    guided = found['methods']['guided_distillation']['runs'][0]['pseudo_labels']['6']
    assert guided['kept_per_image'] > 0
    written = page.read_text()
    assert '| Guided Distillation | 0.01 |' in written and '| PL-DC, arXiv | 0.01 |' in written

    again = compare(*args)
    assert again.returncode == 0 and 'seed1/' not in again.stdout
    assert json.loads((work_dir / 'comparison.json').read_text()) == found


@pytest.mark.slow
def test_a_failing_run_ends_the_comparison_with_its_error(base, tmp_path):
    base.write_text(base.read_text().replace('labeled.json', 'missing.json'))
    process = compare('--base', base, '--work-dir', tmp_path / 'work', '--methods', 'pldc')
    assert process.returncode == 1
    assert 'missing.json' in process.stdout and 'the whole log is' in process.stdout
