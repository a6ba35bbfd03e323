"""A step of a run, dumped and repeated by tools/analysis/replay_step.py."""

import importlib.util
from pathlib import Path

import pytest
import torch
from mmengine.config import Config
from mmengine.hooks import Hook
from mmengine.optim import build_optim_wrapper
from mmengine.registry import DefaultScope

from mmpldc.engine.step_dump import load_step, save_step
from mmpldc.utils.randomness import Purpose, seed_process

pytestmark = pytest.mark.slow
ROOT = Path(__file__).resolve().parents[2]


class Dump(Hook):
    """Save what the fourth step starts from, and what it gives."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def before_train_iter(self, runner, batch_idx, data_batch=None):
        if runner.iter == 3:
            save_step(self.path, runner, data_batch)

    def after_train_iter(self, runner, batch_idx, data_batch=None, outputs=None):
        if runner.iter == 3:
            self.outputs = outputs


@pytest.fixture
def instances(load_config) -> Config:
    """PL-DC with DICC and a weight that follows a schedule."""
    cfg = load_config(max_iters=6)
    cfg.model.unsup_weight = dict(type='mmpldc.Ramp', start=0.1, end=1.0)
    return cfg


@pytest.fixture
def pixels(make_scenes, monkeypatch) -> Config:
    """U2PL with its memory bank."""
    pytest.importorskip('mmseg')
    root = make_scenes(96, num_labeled=16, num_train=64, num_tuning=1, num_test=1)
    monkeypatch.setenv('MMPLDC_SHAPES', f'{root}/')
    cfg = Config.fromfile(ROOT / 'configs/semantic/shapes/u2pl.py')
    batch = dict(batch_size=4)
    cfg.merge_from_dict(
        {
            'model.burn_in_iters': 1,
            'train_cfg': dict(max_iters=4, val_interval=5),
            'train_dataloader': dict(**batch, sampler=batch),
        }
    )
    return cfg


@pytest.mark.parametrize(
    ('task', 'state', 'losses'),
    [
        ('instances', None, {'unsup_loss_mask', 'pseudo_per_image'}),
        ('pixels', 'contrast.bank.filled', {'unsup_loss_ce', 'unsup_loss_contrast'}),
    ],
)
def test_a_dumped_step_is_repeated(task, state, losses, run, tmp_path, request):
    """With the same weights of losses, draws and memory."""
    cfg, hook = request.getfixturevalue(task), Dump(tmp_path / 'step.pth')
    run(cfg, hooks=[hook])
    step = load_step(hook.path)
    assert state is None or step['state_dict'][state].sum() > 0

    spec = importlib.util.spec_from_file_location('replay', ROOT / 'tools/analysis/replay_step.py')
    replay = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(replay)
    stored = Config.fromstring(step['config'], '.py')
    with DefaultScope.overwrite_default_scope(stored.default_scope):
        model = replay.build_model(stored, step, torch.device('cpu'))
        wrapper = build_optim_wrapper(model, stored.optim_wrapper)
    wrapper.load_state_dict(step['optimizer'])
    seed_process(step['seed'], Purpose.STEP, step['rank'], step['iteration'])
    (data,) = step['batches']
    found = model.train_step(data, wrapper)
    assert losses <= found.keys()
    for name, value in hook.outputs.items():
        torch.testing.assert_close(found[name], value, rtol=0, atol=0)
