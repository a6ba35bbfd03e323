"""A handful of generated scenes, and the quickstart's config made small for them."""

from collections.abc import Callable
from itertools import count
from pathlib import Path

import pytest
import torch
from mmengine.config import Config
from mmengine.runner import Runner

ROOT = Path(__file__).resolve().parents[2]
QUICKSTART = ROOT / 'configs/quickstart'
BURN_IN = 2
RUNS = count()


@pytest.fixture(scope='session')
def shapes_root(make_scenes) -> Path:
    """14 labelled and 8 unlabelled images of 64 x 64, 4 to validate on and 3 to test on."""
    return make_scenes(num_labeled=14, num_train=22, num_tuning=4, num_test=3)


@pytest.fixture(scope='session')
def clip_dir(run_tool, tmp_path_factory) -> Path:
    """The quickstart's small CLIP, hardly trained."""
    out = tmp_path_factory.mktemp('clip')
    run_tool('quickstart_clip.py', out, '--pairs', 32, '--steps', 2, '--batch-size', 8, cwd=out)
    return out


@pytest.fixture(scope='session')
def load_config(shapes_root: Path, clip_dir: Path, shrink) -> Callable[..., Config]:
    """Load a config of the quickstart, shortened and, unless ``small=False``, with a small network.

    Batches have 2 labelled and 2 unlabelled images.
    """

    def load_config(
        name: str = 'pldc', *, max_iters: int = 4, small: bool = True, **settings
    ) -> Config:
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv('MMPLDC_SHAPES', f'{shapes_root}/')
            patch.setenv('MMPLDC_CLIP', str(clip_dir))
            cfg = Config.fromfile(QUICKSTART / f'{name}.py')
        if small:
            shrink(cfg)
        batch_size = dict(batch_size=2 if name == 'supervised' else 4)
        cfg.merge_from_dict(
            {
                'model.burn_in_iters': BURN_IN,
                # labels of a teacher that has learnt nothing yet pass
                'model.pseudo_label_filter': dict(class_thr=0.02, mask_thr=0.05, min_area=0),
                'default_hooks.mean_teacher.keep_rate': 0.5,
                'train_cfg': dict(max_iters=max_iters, val_interval=2),
                'default_hooks.logger.interval': 1,
                # all of a short run; a dry run of a longer one plans a few, whatever the disk
                'default_hooks.checkpoint': dict(interval=1, max_keep_ckpts=8),
                'train_dataloader': dict(**batch_size, sampler=batch_size),
            }
        )
        if cfg.model.get('refiner'):
            cfg.model.refiner.scorer.text_cache = str(clip_dir / 'text_embeddings')
        cfg.merge_from_dict(settings)
        return cfg

    return load_config


@pytest.fixture
def run(tmp_path, monkeypatch):
    """Train a config in this process, on the CPU, and return its Runner."""
    monkeypatch.setattr('mmengine.device.utils.DEVICE', 'cpu')
    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # sums of floats depend on it

    def run(cfg: Config, *, work_dir=tmp_path / 'work_dir', hooks=(), **settings) -> Runner:
        cfg.merge_from_dict(dict(work_dir=str(work_dir)) | settings)
        name = f'test_{next(RUNS)}'  # two runs in a second must not share their log
        cfg.experiment_name = cfg.visualizer.name = name
        runner = Runner.from_cfg(cfg)
        for hook in hooks:
            runner.register_hook(hook, 'VERY_LOW')
        runner.train()
        return runner

    yield run
    torch.set_num_threads(threads)
