"""From images and label maps to a run, by new_config.py and its configs alone."""

from pathlib import Path

import pytest
from mmengine.config import Config

from mmpldc.datasets.shapes import SEMANTIC_CLASSES

pytest.importorskip('mmseg')
pytestmark = pytest.mark.slow
ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope='module')
def made(make_scenes, run_tool) -> Path:
    """Configs of 64 scenes, every fourth of which has its label map."""
    root = make_scenes(96, num_labeled=16, num_train=64, num_tuning=1, num_test=1)
    maps = root / 'labels/train'
    for number, path in enumerate(sorted(maps.iterdir())):
        if number % 4:
            path.unlink()
    run_tool(
        *('dataset/new_config.py', '--size', 'tiny', '--keep-all', '--out-dir', root / 'mine'),
        *('--images', root / 'images/train', '--label-maps', maps, '--classes', *SEMANTIC_CLASSES),
        cwd=root,
    )
    return root / 'mine'


@pytest.mark.parametrize('method', ['supervised', 'unimatch'])
def test_made_configs_train_and_validate(made, run, method):
    cfg = Config.fromfile(made / f'{method}.py')
    assert cfg.model.backbone.init_cfg.checkpoint == 'open-mmlab://resnet18_v1c'
    cfg.model.backbone.init_cfg = None  # offline
    for loader in cfg.train_dataloader, cfg.val_dataloader:
        loader.update(num_workers=0, persistent_workers=False)
    batch = dict(batch_size=2 if method == 'supervised' else 4)
    cfg.merge_from_dict(
        {
            'train_cfg': dict(max_iters=2, val_interval=2),
            'train_dataloader': dict(**batch, sampler=batch),
            'default_hooks.checkpoint.interval': 2,
            'default_hooks.logger.interval': 1,
            'model.burn_in_iters': 1,
        }
    )
    scalars = run(cfg).message_hub.log_scalars
    assert 'val/teacher/mIoU' in scalars
    assert ('train/unsup_loss_ce' in scalars) == (method != 'supervised')
