"""The notebook runs, and what stands in it is small."""

import json
import re
from pathlib import Path

import pytest
import torch
from notebook_runner import run_notebook

from mmpldc.apis.auto_training import NUM_STAGES

NOTEBOOK = Path(__file__).resolve().parents[2] / 'demo/own_data.ipynb'
FEW_STEPS = [
    'train_cfg.max_iters=4',
    'train_cfg.val_interval=4',
    'model.burn_in_iters=2',
    'model.backbone.init_cfg=None',
    'model.backbone.depth=18',
    'model.detector.panoptic_head.in_channels=[64,128,256,512]',
    'model.detector.train_cfg.num_points=64',
    'model.class_thresholds.share=20',
    'model.class_thresholds.floor=0.0',
    'default_hooks.checkpoint.interval=2',
    'train_dataloader.num_workers=0',
    'train_dataloader.persistent_workers=False',
    'val_dataloader.num_workers=0',
    'val_dataloader.persistent_workers=False',
]


def test_its_outputs_are_small_and_name_no_folder_of_a_machine():
    content = json.loads(NOTEBOOK.read_text())
    assert content['nbformat'] == 4
    assert NOTEBOOK.stat().st_size < 300_000
    code = [cell for cell in content['cells'] if cell['cell_type'] == 'code']
    assert all(len(json.dumps(cell['outputs'])) < 80_000 for cell in code)
    assert any('image/jpeg' in out.get('data', {}) for cell in code for out in cell['outputs'])
    printed = ''.join(
        line for cell in code for out in cell['outputs'] for line in out.get('text', [])
    )
    assert f'[{NUM_STAGES}/{NUM_STAGES}]' in printed
    assert not re.findall(r'(?<![\w./:*-])/\w+/', printed)  # a path from the root


def test_settings_that_it_does_not_have_are_refused():
    with pytest.raises(ValueError, match='no setting lenght'):
        run_notebook(NOTEBOOK, dict(lenght=3))


@pytest.mark.long
def test_it_runs(tmp_path):
    torch.save({'layer4.2.conv3.weight': torch.zeros(1)}, tmp_path / 'r50.pth')  # read by nobody
    outputs = run_notebook(
        NOTEBOOK,
        dict(
            out=str(tmp_path / 'notebook'),
            init=str(tmp_path / 'r50.pth'),
            time_budget=None,
            cfg_options=FEW_STEPS,
        ),
    )
    shown = [out for outs in outputs for out in outs]
    assert sum('image/jpeg' in out.get('data', {}) for out in shown) == 2
    assert 'labels on 260 images' in ''.join(line for out in shown for line in out.get('text', []))
