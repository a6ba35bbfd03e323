"""Whole runs of semantic segmentation on two ranks: as one process, and with equal banks."""

from copy import deepcopy
from pathlib import Path

import pytest
import torch
from mmengine.config import Config
from mmengine.runner import Runner

pytest.importorskip('mmseg')
pytestmark = pytest.mark.slow
CONFIGS = Path(__file__).resolve().parents[2] / 'configs/semantic/shapes'
STEPS = 4


@pytest.fixture(scope='module')
def semantic_scenes(make_scenes) -> Path:
    return make_scenes(96, num_labeled=16, num_train=64, num_tuning=2, num_test=1)


@pytest.fixture
def load(semantic_scenes, monkeypatch, tmp_path):
    monkeypatch.setenv('MMPLDC_SHAPES', f'{semantic_scenes}/')
    monkeypatch.setattr('mmengine.device.utils.DEVICE', 'cpu')

    def load(method: str, *, batch_size: int, name: str) -> Config:
        cfg = Config.fromfile(CONFIGS / f'{method}.py')
        batch = dict(batch_size=batch_size)
        cfg.merge_from_dict(
            {
                'model.burn_in_iters': 1,
                'model.backbone': dict(base_channels=8, stem_channels=8),
                'model.segmentor.decode_head': dict(
                    in_channels=64, channels=16, c1_in_channels=8, c1_channels=8
                ),
                'train_cfg': dict(max_iters=STEPS, val_interval=STEPS),
                'train_dataloader': dict(**batch, sampler=batch),
                'param_scheduler': None,
                'work_dir': str(tmp_path / name),
                'experiment_name': name,
            }
        )
        if 'threshold' in cfg.model.reliability:
            cfg.model.reliability.threshold = 0.0
        return cfg

    return load


def train(cfg: Config) -> dict:
    """The state after the run."""
    runner = Runner.from_cfg(deepcopy(cfg))
    runner.train()
    model = getattr(runner.model, 'module', runner.model)
    return {name: value.numpy() for name, value in model.state_dict().items()}


def on_two_ranks(run_on_ranks, cfg: Config) -> list[dict]:
    cfg.launcher = 'pytorch'  # the process group is there
    cfg.model_wrapper_cfg = dict(
        type='MMDistributedDataParallel', device_ids=None, broadcast_buffers=False
    )
    outcomes = run_on_ranks(lambda rank: train(cfg))
    for outcome in outcomes:
        assert isinstance(outcome, dict), outcome
    return outcomes


def test_banks_and_weights_are_equal_on_both_ranks(load, run_on_ranks):
    """Statistics of norms as well: each rank has those of its images, the hook averages them."""
    first, second = on_two_ranks(run_on_ranks, load('u2pl', batch_size=4, name='u2pl'))
    assert first['contrast.bank.filled'].sum() > 0
    for name, value in first.items():
        assert (value == second[name]).all(), name


def test_two_ranks_are_one_process(load, run_on_ranks):
    """Without what is drawn for each rank, and without statistics of a batch."""

    def without_chance(batch_size: int, name: str) -> Config:
        cfg = load('mean_teacher', batch_size=batch_size, name=name)
        norm = dict(type='GN', num_groups=4)
        cfg.model.backbone.norm_cfg = cfg.model.segmentor.decode_head.norm_cfg = norm
        cfg.model.student_views = [dict(view='unsup_weak')]
        parts = cfg.train_dataloader.dataset
        for part in parts.labeled, parts.unlabeled:
            part.pipeline = [
                step for step in part.pipeline if not step['type'].startswith('Random')
            ]
        return cfg

    alone = train(without_chance(8, 'alone'))
    first, second = on_two_ranks(run_on_ranks, without_chance(4, 'two'))
    moved = 0.0
    for name, value in alone.items():
        assert (first[name] == second[name]).all(), name
        if value.dtype.kind == 'f':
            torch.testing.assert_close(
                torch.from_numpy(first[name]), torch.from_numpy(value), rtol=0, atol=2e-4
            )
            moved = max(moved, abs(value - alone.get(name.replace('teacher', 'student'))).max())
    assert moved > 1e-3  # the teacher is an average, so something was learnt
