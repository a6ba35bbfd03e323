"""Methods that continue the supervised run's burn-in, in a comparison, would have made the same."""

from pathlib import Path

import pytest
import torch
from mmengine.config import Config
from mmengine.runner import Runner

pytest.importorskip('mmseg')
CONFIGS = Path(__file__).resolve().parents[2] / 'configs/comparison/semantic'


@pytest.mark.slow
def test_burn_in_is_the_supervised_runs(shapes_root, tmp_path, monkeypatch):
    monkeypatch.setenv('MMPLDC_SHAPES', f'{shapes_root}/')
    weights = {}
    for name in ('supervised', 'mean_teacher', 'imas'):
        cfg = Config.fromfile(CONFIGS / f'{name}.py')
        batch_size = dict(batch_size=2 if name == 'supervised' else 4)
        cfg.merge_from_dict(
            {
                'work_dir': str(tmp_path / name),
                'experiment_name': f'burn_in_{name}',
                'visualizer.name': f'burn_in_{name}',
                'visualizer.vis_backends': [],
                'vis_backends': [],
                'randomness': dict(seed=3),
                'train_cfg': dict(max_iters=3, val_interval=9),
                'train_dataloader': dict(**batch_size, sampler=batch_size),
                'default_hooks.checkpoint.save_last': False,
                'default_hooks.checkpoint.save_best': None,
            }
        )
        runner = Runner.from_cfg(cfg)
        before = {key: value.clone() for key, value in runner.model.state_dict().items()}
        runner.train()
        weights[name] = runner.model.state_dict()
        assert any(not torch.equal(value, before[key]) for key, value in weights[name].items())
    for name in ('mean_teacher', 'imas'):
        assert weights[name].keys() == weights['supervised'].keys()
        for key, value in weights['supervised'].items():
            assert torch.equal(value, weights[name][key]), (name, key)
