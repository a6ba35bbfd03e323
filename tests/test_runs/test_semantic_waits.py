"""How often a step of semantic segmentation waits for its device, on an emulated one."""

from pathlib import Path

import pytest
from emulated_device import emulated_device
from mmengine.config import Config
from mmengine.hooks import Hook
from mmengine.runner import Runner

pytest.importorskip('mmseg')
CONFIGS = Path(__file__).resolve().parents[2] / 'configs/comparison/semantic'
# the log, the norm of the gradients, and which images the teacher fails on
MOST_WAITS = 3


class Waits(Hook):
    """Notes what the host waited for in the last step, without validation and checkpoint."""

    priority = 'HIGHEST'

    def __init__(self, emulation) -> None:
        self.emulation = emulation
        self.found: list = []

    def before_train_iter(self, runner, batch_idx, data_batch=None):
        self.emulation.waits.clear()


class Last(Hook):
    """Copies them after all hooks of the step but those that write files."""

    priority = 'LOW'

    def __init__(self, waits: Waits) -> None:
        self.waits = waits

    def after_train_iter(self, runner, batch_idx, data_batch=None, outputs=None):
        self.waits.found = list(self.waits.emulation.waits)


@pytest.mark.slow
@pytest.mark.parametrize('method', ['supervised', 'mean_teacher', 'u2pl', 'imas', 'unimatch'])
def test_a_step_waits_for_what_is_named_alone(method, shapes_root, tmp_path, monkeypatch):
    monkeypatch.setenv('MMPLDC_SHAPES', f'{shapes_root}/')
    cfg = Config.fromfile(CONFIGS / f'{method}.py')
    batch_size = dict(batch_size=2 if method == 'supervised' else 4)
    cfg.merge_from_dict(
        {
            'work_dir': str(tmp_path),
            'randomness': dict(seed=0),
            'model.burn_in_iters': 0,
            'train_cfg': dict(max_iters=2, val_interval=9),
            'train_dataloader': dict(**batch_size, sampler=batch_size),
            'visualizer.name': f'waits_{method}',
            'experiment_name': f'waits_{method}',
            'visualizer.vis_backends': [],
            'vis_backends': [],
        }
    )
    if method == 'u2pl':  # of its parts, the emulation lacks what torch.nanquantile does in place
        cfg.model.reliability = dict(type='mmpldc.ConfidentPixels', threshold=0.2)
    with emulated_device() as emulation:
        runner = Runner.from_cfg(cfg)
        waits = Waits(emulation)
        runner.register_hook(waits)
        runner.register_hook(Last(waits))
        runner.train()
        runner.model.to('cpu')
    assert 0 < len(waits.found) <= MOST_WAITS - (method == 'supervised'), waits.found
