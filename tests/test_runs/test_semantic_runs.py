"""Semantic segmentation by the Runner: training, validation, resuming bit for bit, testing."""

from pathlib import Path

import pytest
import torch
from mmengine.config import Config
from mmengine.runner import Runner

pytest.importorskip('mmseg')
pytestmark = pytest.mark.slow
CONFIGS = Path(__file__).resolve().parents[2] / 'configs/semantic/shapes'
STEPS = 8


@pytest.fixture(scope='module')
def scenes(tmp_path_factory) -> Path:
    from mmpldc.datasets.shapes import ShapesSpec, make_dataset

    root = tmp_path_factory.mktemp('scenes') / 'shapes'
    sizes = dict(num_labeled=16, num_train=64, num_tuning=4, num_test=3)
    make_dataset(root, seed=0, spec=ShapesSpec(image_size=96), workers=1, **sizes)
    return root


@pytest.fixture
def load(scenes, monkeypatch):
    monkeypatch.setenv('MMPLDC_SHAPES', f'{scenes}/')

    def load(method: str, **settings) -> Config:
        cfg = Config.fromfile(CONFIGS / f'{method}.py')
        batch = dict(batch_size=2 if method == 'supervised' else 4)
        cfg.merge_from_dict(
            {
                'model.burn_in_iters': 2,
                'train_cfg': dict(max_iters=STEPS, val_interval=4),
                'train_dataloader': dict(**batch, sampler=batch),
                'default_hooks.checkpoint': dict(interval=4, max_keep_ckpts=-1),
                'default_hooks.logger.interval': 1,
            }
        )
        if 'threshold' in cfg.model.get('reliability', {}):
            cfg.model.reliability.threshold = 0.0  # an untrained teacher is never sure
        cfg.merge_from_dict(settings)
        return cfg

    return load


def weights(folder: Path, step: int) -> dict:
    return torch.load(folder / f'iter_{step}.pth', weights_only=False)['state_dict']


@pytest.mark.parametrize('method', ['u2pl', 'imas'])
def test_a_resumed_run_is_the_uninterrupted_one(load, run, tmp_path, method):
    run(load(method), work_dir=tmp_path / 'whole')
    resumed = load(method)
    resumed.merge_from_dict(dict(load_from=str(tmp_path / 'whole/iter_4.pth'), resume=True))
    run(resumed, work_dir=tmp_path / 'resumed')
    expected, found = (weights(tmp_path / name, STEPS) for name in ('whole', 'resumed'))
    assert expected.keys() == found.keys()
    assert all(torch.equal(expected[name], found[name]) for name in expected)
    if method == 'u2pl':
        assert found['contrast.bank.filled'].sum() > 0


@pytest.mark.parametrize('method', ['supervised', 'mean_teacher', 'unimatch'])
def test_methods_train_and_are_tested(load, run, tmp_path, method):
    runner = run(load(method))
    names = str(list(runner.message_hub.log_scalars))
    assert 'teacher/mIoU' in names
    assert ('unsup_loss_ce' in names) == (method != 'supervised')
    cfg = load(method, work_dir=str(tmp_path / 'test'))
    cfg.load_from = str(tmp_path / f'work_dir/iter_{STEPS}.pth')
    assert 0 <= Runner.from_cfg(cfg).test()['mIoU'] <= 100
