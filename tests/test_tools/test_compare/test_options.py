"""How the tools beside the comparison read their configs and options."""

import importlib
import sys
from argparse import Namespace
from pathlib import Path

import pytest

CONFIGS = Path(__file__).parents[3] / 'configs'


@pytest.mark.parametrize(
    ('tool', 'words'),
    [('compare_runs', ['a.py', 'a.pth', 'b.py', 'b.pth']), ('lockstep', ['work_dir', 'a.py'])],
)
def test_options_are_read_as_for_training(monkeypatch, tool, words):
    options = ['model.refiner={"type": "A"}', 'work_dir=a b', 'x=[1,2]']
    monkeypatch.setattr(sys, 'argv', [tool, *words, '--cfg-options', *options])
    found = importlib.import_module(tool).parse_args().cfg_options
    assert found == {'model.refiner': dict(type='A'), 'work_dir': 'a b', 'x': [1, 2]}


def test_lockstep_turns_the_guard_off_and_repairs_loaders(tmp_path):
    """A method whose pseudo-labels end would be compared under the wrong name."""
    lockstep = importlib.import_module('lockstep')
    path = CONFIGS / 'custom/pldc_mask2former_r50_custom.py'
    options = {'train_dataloader.num_workers': 0}
    cfg = lockstep.load(Namespace(folder=tmp_path, base=None, cfg_options=options), path)
    assert cfg.default_hooks.supervised_guard.patience is None
    assert not cfg.train_dataloader.get('persistent_workers')
    assert cfg.work_dir == str(tmp_path / path.stem)
