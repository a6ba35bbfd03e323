"""A small run that the launchers start as a user does, in processes of its own."""

import os
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import pytest
from mmengine.config import Config

ROOT = Path(__file__).resolve().parents[2]
HERE = Path(__file__).parent
BATCH_SIZE = 2  # of each kind, a process
BURN_IN = 3
TIMEOUT = 240  # seconds; most of it is to import packages, on a busy machine


class Ended(NamedTuple):
    """A process that has ended: its exit code, its output and errors."""

    code: int
    output: str


@pytest.fixture(scope='session')
def scenes(make_scenes) -> Path:
    """9 labelled and 13 unlabelled images of 64 x 64, 5 to validate on and 5 to test on."""
    return make_scenes(num_labeled=9, num_train=22, num_tuning=5, num_test=5)


@pytest.fixture
def write_config(scenes, shrink, tmp_path) -> Callable[..., Path]:
    """Write the quickstart's config, shrunk, with adaptive thresholds and without CLIP."""

    def write_config(name: str = 'config', **settings) -> Path:
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv('MMPLDC_SHAPES', f'{scenes}/')
            cfg = shrink(Config.fromfile(ROOT / 'configs/comparison/pldc_aaai.py'))
        cfg.model.refiner = None
        cfg.merge_from_dict(
            {
                'model.burn_in_iters': BURN_IN,
                # labels of a teacher that has learnt nothing yet pass
                'model.class_thresholds.class_range': (0.0, 0.4),
                'model.class_thresholds.mask_range': (0.0, 0.6),
                'model.pseudo_label_filter.min_area': 0,
                'default_hooks.mean_teacher.keep_rate': 0.5,
                'train_cfg': dict(max_iters=20, val_interval=20),
                'param_scheduler': None,
                'default_hooks.logger.interval': 1,
                'default_hooks.checkpoint.interval': 20,
                'train_dataloader': dict(
                    batch_size=2 * BATCH_SIZE, sampler=dict(batch_size=2 * BATCH_SIZE)
                ),
                'val_dataloader.batch_size': 2,
                'test_dataloader.batch_size': 2,
                'custom_imports': dict(imports=['rank_probes'], allow_failed_imports=False),
            }
        )
        hooks = settings.pop('hooks', [])
        cfg.merge_from_dict(settings)
        cfg.custom_hooks += hooks
        path = tmp_path / f'{name}.py'
        cfg.dump(path)
        return path

    return write_config


@pytest.fixture
def start(tmp_path, free_port, python) -> Iterator[Callable[..., subprocess.Popen]]:
    """Start a tool on the CPU, with its output and errors in one pipe."""
    started = []

    def start(tool: str, *args, **environment: str) -> subprocess.Popen:
        program = ['bash'] if tool.endswith('.sh') else [python]
        settings = dict(
            PATH=f'{python.parent}:{os.environ["PATH"]}',
            PYTHONPATH=f'{ROOT}:{HERE}',
            OMP_NUM_THREADS='1',
            CUDA_VISIBLE_DEVICES='',
            PORT=str(free_port()),
        )
        process = subprocess.Popen(
            [*program, ROOT / 'tools' / tool, *map(str, args)],
            cwd=tmp_path,
            env=os.environ | settings | environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        started.append(process)
        return process

    yield start
    for process in started:
        process.terminate()  # torchrun ends its ranks, by force after 30 seconds
        process.wait(timeout=60)


@pytest.fixture
def launch(start) -> Callable[..., Ended]:
    """Run a tool to its end, which must come in time."""

    def launch(tool: str, *args, **environment: str) -> Ended:
        process = start(tool, *args, **environment)
        output, _ = process.communicate(timeout=TIMEOUT)
        return Ended(process.returncode, output)

    return launch
