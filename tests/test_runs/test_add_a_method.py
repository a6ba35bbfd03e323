"""The method of docs/add_a_method.md: one module and one config outside the package."""

from pathlib import Path

import pytest
import torch
from mmengine.config import Config
from mmengine.runner import Runner

pytestmark = pytest.mark.slow
ROOT = Path(__file__).resolve().parents[2]
EXAMPLES = ROOT / 'docs/examples'
BURN_IN, STEPS = 5, 30


@pytest.fixture
def load(monkeypatch, shapes_root, shrink):
    """The example's config, for 30 steps of a small network on a handful of scenes."""
    monkeypatch.syspath_prepend(EXAMPLES)
    monkeypatch.setenv('MMPLDC_SHAPES', f'{shapes_root}/')

    def load() -> Config:
        cfg = shrink(Config.fromfile(EXAMPLES / 'top_share_shapes.py'))
        small = dict(batch_size=4)
        cfg.merge_from_dict(
            {
                'model.burn_in_iters': BURN_IN,
                'model.unsup_weight.until': STEPS,
                # labels of a teacher that has learnt nothing yet pass
                'model.pseudo_label_filter': dict(class_thr=0.02, mask_thr=0.05, min_area=0),
                'train_cfg': dict(max_iters=STEPS, val_interval=STEPS),
                'train_dataloader': dict(**small, sampler=small),
                'default_hooks.checkpoint': dict(interval=15, max_keep_ckpts=-1),
                'default_hooks.logger.interval': 1,
            }
        )
        return cfg

    return load


def weights(folder: Path, step: int) -> dict:
    return torch.load(folder / f'iter_{step}.pth', weights_only=False)['state_dict']


def test_it_trains_resumes_and_is_evaluated(load, run, tmp_path):
    runner = run(load(), work_dir=tmp_path / 'whole')
    log, _ = runner.message_hub.get_scalar('train/pseudo_per_image').data
    assert len(log) > 0 and max(log) > 0, 'no pseudo-label: nothing is tested'
    assert 'teacher/coco/segm_mAP' in str(list(runner.message_hub.log_scalars))

    resumed = load()
    resumed.merge_from_dict(
        dict(load_from=str(tmp_path / 'whole/iter_15.pth'), resume=True, auto_scale_lr=None)
    )
    run(resumed, work_dir=tmp_path / 'resumed')
    expected, found = (weights(tmp_path / name, STEPS) for name in ('whole', 'resumed'))
    assert expected.keys() == found.keys()
    assert all(torch.equal(expected[name], found[name]) for name in expected)

    cfg = load()
    cfg.merge_from_dict(
        dict(work_dir=str(tmp_path / 'test'), load_from=str(tmp_path / f'whole/iter_{STEPS}.pth'))
    )
    cfg.experiment_name = cfg.visualizer.name = (
        'test_of_the_example'  # mmengine keeps one of a name
    )
    assert 0 <= Runner.from_cfg(cfg).test()['coco/segm_mAP'] <= 1


def test_the_share_is_kept_and_weighed(load):
    """The parts that the config names are the example's, and follow its schedules."""
    from mmdet.registry import MODELS
    from top_share import ScoreWeights, TopShareFilter

    cfg = load()
    model = MODELS.build(cfg.model)
    assert isinstance(model.pseudo_label_filter, TopShareFilter)
    assert [type(part) for part in model.pseudo_label_weights] == [ScoreWeights]
    shares = []
    for step in (BURN_IN, 15, STEPS - 1):
        model.set_progress(step, STEPS)
        shares.append(model.pseudo_label_filter.share(model.progress))
    assert shares == [0.25, 0.5, 0.75]
    assert model.unsup_weight == pytest.approx(1.0, abs=0.01)


def test_it_is_small_and_outside_of_the_package():
    module, config = (EXAMPLES / f'{name}.py' for name in ('top_share', 'top_share_shapes'))
    assert len(module.read_text().splitlines()) <= 100
    assert len(config.read_text().splitlines()) <= 30
    assert not [path for path in (ROOT / 'mmpldc').rglob('*.py') if 'top_share' in path.read_text()]
