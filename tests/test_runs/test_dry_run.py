"""tools/train.py --dry-run: what it finds before a training is queued, and what it leaves."""

import os
import re
import subprocess
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from mmengine.config import Config

from mmpldc.engine.dry_run import dry_run_config
from mmpldc.engine.hooks import DryRunHook
from mmpldc.engine.projection import checkpoint_bytes

pytestmark = pytest.mark.slow
ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def rehearse(run, capsys, tmp_path):
    """Rehearse a config in this process; the hook, what it printed and the Runner."""

    def rehearse(cfg: Config, **settings) -> SimpleNamespace:
        cfg.merge_from_dict(settings)
        cfg.work_dir = str(tmp_path / 'runs/a')
        own = dry_run_config(cfg)
        runner = run(own, work_dir=own.work_dir)
        (hook,) = (hook for hook in runner.hooks if isinstance(hook, DryRunHook))
        text = capsys.readouterr().out
        report = text[text.index('What this run needs') :]
        rows = dict(re.findall(r'^  (\S+(?: \S+)*)  +(\S.*)$', report, re.M))
        return SimpleNamespace(hook=hook, rows=rows, report=report, runner=runner)

    return rehearse


def test_both_phases(rehearse, load_config):
    cfg = load_config(max_iters=1000, **{'model.burn_in_iters': 400, 'val_cfg.student_interval': 3})
    result = rehearse(cfg, **{'val_dataloader.batch_size': 2})
    assert list(result.rows) == [
        *('burn-in', 'mutual learning', 'validate teacher', 'validate student', 'training'),
        *('data loading', 'peak memory', 'disk'),
    ]
    assert result.rows['burn-in'].startswith('400 iterations of ')
    assert result.rows['mutual learning'].startswith('600 iterations of ')
    # at every second iteration a validation of 4 images
    assert result.rows['validate teacher'].startswith('500 x 2 batches of ')
    assert result.rows['validate student'].startswith('167 x 2 batches of ')
    measured = result.hook.measured
    assert measured.images == 4
    assert all(0.001 < seconds < 60 for seconds in (*measured.step_seconds, *measured.val_seconds))
    assert len(measured.val_seconds) == 2
    assert all(10**8 < memory < 10**11 for memory in measured.memory.values())
    assert measured.pseudo_labels > 0  # the filter of this config lets some through
    assert result.runner.iter == 4 and result.runner.model.progress.max_steps == 1000


def test_only_supervised(rehearse, load_config):
    result = rehearse(load_config('supervised', max_iters=1000))
    assert result.rows['supervised'].startswith('1000 iterations of ')
    assert 'burn-in' not in result.rows and 'mutual learning' not in result.rows
    assert result.hook.measured.images == 2
    assert result.runner.iter == 2
    assert 'pseudo-labels' not in result.report


def test_phases_are_as_long_as_planned_at_most(rehearse, load_config):
    result = rehearse(load_config(max_iters=3))  # of which two are burn-in
    assert result.rows['mutual learning'].startswith('1 iterations of ')
    assert result.runner.iter == 3


def test_checkpoints_are_as_large_as_those_of_the_training(rehearse, load_config, run, tmp_path):
    cfg = load_config(max_iters=4, **{'default_hooks.checkpoint.max_keep_ckpts': 1})
    result = rehearse(cfg.copy())
    assert '2 checkpoints of ' in result.rows['disk']
    run(cfg, work_dir=tmp_path / 'real')
    real = (tmp_path / 'real/iter_4.pth').stat().st_size
    assert result.hook.measured.checkpoint == pytest.approx(real, rel=0.02)
    assert checkpoint_bytes(result.hook.plan, result.hook.measured) == pytest.approx(real, rel=0.02)


def test_data_is_loaded_by_workers(rehearse, load_config):
    workers = {'train_dataloader.num_workers': 2, 'train_dataloader.persistent_workers': True}
    result = rehearse(load_config(max_iters=100), **workers)
    assert result.hook.measured.is_loaded_ahead
    assert 'set train_dataloader.num_workers' not in result.rows['data loading']


def test_accumulated_batches_count_as_one_iteration(rehearse, load_config):
    result = rehearse(load_config(max_iters=100), **{'optim_wrapper.accumulative_counts': 2})
    assert result.hook.measured.images == 8
    assert result.runner.iter == 4


def test_a_disk_that_is_too_small(rehearse, load_config, monkeypatch, tmp_path):
    statvfs = os.statvfs
    blocks = 10**7 // os.statvfs(tmp_path).f_frsize

    def nearly_full(path):
        values = list(statvfs(path))
        values[3] = values[4] = blocks  # f_bfree, f_bavail
        return os.statvfs_result(values)

    monkeypatch.setattr(os, 'statvfs', nearly_full)
    message = r'has 0\.01 GB free, and this run needs [\d.]+ GB: free some space, choose another'
    with pytest.raises(SystemExit, match=message) as caught:
        rehearse(load_config(max_iters=10**6))
    assert str(tmp_path) in str(caught.value)


NO_WEIGHTS = dict(type='Pretrained', checkpoint='no/resnet.pth', _delete_=True)
BEST = 'default_hooks.checkpoint.save_best'


@pytest.mark.parametrize(
    ('settings', 'error', 'message'),
    [
        ({'model.backbone.init_cfg': NO_WEIGHTS}, OSError, r'no/resnet\.pth can not be found'),
        ({'load_from': 'no/weights.pth'}, OSError, r'no/weights\.pth can not be found'),
        (
            {'model.refiner.scorer.model': 'local-dir:no/clip'},
            RuntimeError,
            "cannot load CLIP model='local-dir:no/clip'",
        ),
        (
            {BEST: 'teacher/coco/bbox_mAP'},
            ValueError,
            'names teacher/coco/bbox_mAP, but validation computes teacher/coco/segm_mAP, ',
        ),
    ],
    ids=['backbone', 'load_from', 'clip', 'metric'],
)
def test_what_a_training_would_find_later(rehearse, load_config, settings, error, message):
    with pytest.raises(error, match=message):
        rehearse(load_config(max_iters=1000, **settings))


@pytest.mark.parametrize('best', [None, 'auto', 'teacher/coco/segm_mAP_50'])
def test_other_choices_of_the_best_checkpoint(rehearse, load_config, best):
    result = rehearse(load_config(max_iters=1000, **{BEST: best}))
    assert result.hook.plan.best == (best is not None)


@pytest.fixture
def start(tmp_path):
    """Start a command in a folder that has config.py; exit code and output."""

    def start(*command, timeout: float = 180) -> SimpleNamespace:
        environment = os.environ | dict(
            PYTHONPATH=str(ROOT), OMP_NUM_THREADS='1', CUDA_VISIBLE_DEVICES=''
        )
        process = subprocess.run(
            list(map(str, command)),
            cwd=tmp_path,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=timeout,
        )
        return SimpleNamespace(code=process.returncode, output=process.stdout)

    return start


def test_command(load_config, start, python, tmp_path):
    load_config(max_iters=1000, **{'model.refiner': None}).dump(tmp_path / 'config.py')
    command = (python, ROOT / 'tools/train.py', 'config.py', '--dry-run', '--work-dir', 'a')
    result = start(*command, '--resume')
    assert result.code == 0, result.output[-3000:]
    assert '\nWhat this run needs, on 1 x CPU:\n  burn-in ' in result.output
    assert os.listdir(tmp_path) == ['config.py']

    (tmp_path / 'a').mkdir()
    (tmp_path / 'a/kept').touch()
    result = start(*command, '--cfg-options', 'load_from=no.pth')
    assert result.code == 1
    assert result.output.rstrip().splitlines()[-1].endswith('no.pth: there is no such file')
    assert os.listdir(tmp_path / 'a') == ['kept']
    result = start(*command, '--cfg-options', 'model.num_classes=3')  # found once its folder exists
    assert result.code == 1 and 'model.num_classes: is 3' in result.output
    assert os.listdir(tmp_path / 'a') == ['kept']


def test_two_ranks(load_config, start, python, free_port, tmp_path):
    load_config(max_iters=1000, **{'model.refiner': None}).dump(tmp_path / 'config.py')
    environment = ['env', f'PORT={free_port()}', f'PATH={python.parent}:{os.environ["PATH"]}']
    result = start(
        *environment,
        *('bash', ROOT / 'tools/dist_train.sh', 'config.py', 2),
        *('--dry-run', '--work-dir', 'a'),
    )
    assert result.code == 0, result.output[-3000:]
    assert result.output.count('What this run needs, on 2 x CPU:') == 1
    assert 'an iteration of 8 ' in result.output
    # where mmengine's ranks exchange validation results
    assert set(os.listdir(tmp_path)) <= {'config.py', '.dist_test'}


def test_tools_run_no_program_from_a_checkpoint(load_config, start, python, tmp_path):
    load_config('supervised', max_iters=1000).dump(tmp_path / 'config.py')
    torch.save(dict(state_dict={}, meta=Payload(tmp_path / 'executed')), tmp_path / 'evil.pth')
    for command in (
        ('train.py', 'config.py', '--resume', 'evil.pth'),
        ('test.py', 'config.py', 'evil.pth'),
    ):
        result = start(python, ROOT / 'tools' / command[0], *command[1:])
        assert result.code == 1
        assert 'evil.pth was not loaded: it holds more than weights' in result.output
        assert not (tmp_path / 'executed').exists()


class Payload:
    """Runs a command when it is unpickled."""

    def __init__(self, marker: Path) -> None:
        self.marker = marker

    def __reduce__(self) -> tuple:
        return os.system, (f'touch {self.marker}',)


@pytest.mark.gpu
def test_on_a_gpu_with_amp(load_config, run_tool, tmp_path):
    load_config(max_iters=1000).dump(tmp_path / 'config.py')
    options = ('--dry-run', '--amp', '--work-dir', 'a')
    output = run_tool('train.py', 'config.py', *options, cwd=tmp_path, gpu=True)
    assert re.search(r'^  peak memory  .* GB of \d+\.\d GB$', output, re.M)
    assert torch.cuda.get_device_name() in output
