"""What a dry run changes in a config, and what it leaves."""

import os
from pathlib import Path

import pytest
from mmengine.config import Config

from mmpldc.engine.dry_run import dry_run_config, plan_of, rehearsed_steps
from mmpldc.engine.projection import Plan

CONFIGS = Path(__file__).resolve().parents[2] / 'configs'


@pytest.fixture
def cfg(tmp_path) -> Config:
    cfg = Config.fromfile(CONFIGS / 'pldc/pldc_mask2former_r50_coco_10pct.py')
    cfg.work_dir = str(tmp_path / 'runs/a')
    cfg.custom_hooks = [dict(type='mmpldc.FastBackboneHook')]
    return cfg


def phases(cfg: Config, **settings) -> dict[str, int]:
    cfg.model.update(settings)
    return plan_of(cfg).phases


def test_plan_of_the_papers_config(cfg):
    assert plan_of(cfg) == Plan(
        phases={'burn-in': 20_000, 'mutual learning': 348_750},
        validated=dict(teacher=1, student=4),
        val_interval=5000,
        val_begin=1,
        checkpoint_interval=5000,
        max_keep=2,
        best=1,
        log_interval=50,
    )


def test_phases_without_iterations_are_left_out(cfg):
    assert phases(cfg, burn_in_iters=0) == {'mutual learning': 368_750}
    assert phases(cfg, burn_in_iters=10**6) == {'burn-in': 368_750}
    assert phases(cfg, unsup_weight=0) == {'supervised': 368_750}
    guided = dict(unsup_weight=2, burn_in='guided', burn_in_iters=50_000)
    assert phases(cfg, **guided) == {'guided burn-in': 50_000, 'mutual learning': 318_750}
    del cfg.model['burn_in_iters']
    assert phases(cfg) == {'training': 368_750}


def test_plan_of_few_settings():
    cfg = Config(dict(model=dict(type='Mask2Former'), train_cfg=dict(max_iters=7), val_cfg=None))
    plan = plan_of(cfg)
    assert plan.phases == dict(training=7) and rehearsed_steps(plan) == dict(training=2)
    # mmengine's own default saves at the end of the only epoch
    assert (plan.validated, plan.checkpoint_interval, plan.best) == ({}, 0, 0)
    cfg.val_cfg = dict()
    assert plan_of(cfg).validated == dict(model=1)
    cfg.default_hooks = dict(checkpoint=dict(interval=2, by_epoch=False, save_best=['a', 'b']))
    assert (plan_of(cfg).checkpoint_interval, plan_of(cfg).best) == (2, 2)


def test_a_student_that_is_never_validated(cfg):
    cfg.val_cfg.student_interval = 0
    assert plan_of(cfg).validated == dict(teacher=1)
    assert dry_run_config(cfg).val_cfg.student_interval == 0


def test_training_by_epochs_is_refused(cfg):
    cfg.train_cfg = dict(type='EpochBasedTrainLoop', max_epochs=2)
    with pytest.raises(ValueError, match=r'--dry-run needs train_cfg\.max_iters'):
        dry_run_config(cfg)


def test_only_counts_and_outputs_change(cfg):
    before = cfg.to_dict()
    own = dry_run_config(cfg)
    assert cfg.to_dict() == before
    assert own.model.burn_in_iters == 2
    assert own.train_cfg.max_iters == 368_750  # CLIP's weight follows it
    assert (own.train_cfg.val_interval, own.val_cfg.student_interval) == (4, 1)
    saving, given = own.default_hooks.checkpoint, cfg.default_hooks.checkpoint
    assert saving.interval == 4
    assert {k: saving[k] for k in ('save_best', 'max_keep_ckpts')} == {
        k: given[k] for k in ('save_best', 'max_keep_ckpts')
    }
    assert own.custom_hooks[:-1] == cfg.custom_hooks
    unchanged = {'train_dataloader', 'val_dataloader', 'optim_wrapper', 'param_scheduler'}
    assert all(own[key] == cfg[key] for key in unchanged)
    assert own.model | dict(burn_in_iters=20_000) == cfg.model
    own.pretty_text  # noqa: B018, it can be saved with a checkpoint


@pytest.mark.parametrize(('burn_in_iters', 'rehearsed'), [(50_000, 2), (1, 1), (0, 0)])
def test_a_guided_burn_in_is_rehearsed_too(cfg, burn_in_iters, rehearsed):
    cfg.model.update(burn_in='guided', burn_in_iters=burn_in_iters)
    own = dry_run_config(cfg)
    assert own.model.burn_in_iters == rehearsed
    assert own.train_cfg.val_interval == rehearsed + 2


def test_it_starts_anew_and_keeps_weights_to_load(cfg):
    cfg.resume, cfg.load_from = True, 'a.pth'
    own = dry_run_config(cfg)
    assert (own.resume, own.load_from) == (False, 'a.pth')


def test_outputs_go_to_the_disk_of_the_work_directory(cfg, tmp_path):
    """The nearest folder that exists."""
    assert Path(dry_run_config(cfg).work_dir).parent == tmp_path
    os.makedirs(cfg.work_dir)
    assert Path(dry_run_config(cfg).work_dir).parent == tmp_path / 'runs/a'
    cfg.default_hooks.checkpoint.out_dir = str(tmp_path / 'checkpoints')
    own = dry_run_config(cfg)
    assert Path(own.work_dir).parent == tmp_path
    assert own.default_hooks.checkpoint.out_dir is None


def test_nothing_is_sent_to_a_service(cfg):
    cfg.visualizer.vis_backends.append(dict(type='WandbVisBackend'))
    kinds = [backend.type for backend in dry_run_config(cfg).visualizer.vis_backends]
    assert kinds == ['LocalVisBackend', 'TensorboardVisBackend']


def test_a_run_without_checkpoints(cfg):
    cfg.default_hooks.checkpoint = None
    assert dry_run_config(cfg).default_hooks.checkpoint is None
