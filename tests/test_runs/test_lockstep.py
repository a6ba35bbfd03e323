"""Runs in lock-step equal ordinary ones bit for bit, and compute each feature once."""

import pytest
import torch
from mmdet.models.backbones import ResNet
from mmengine.hooks import Hook

from mmpldc.engine.lockstep import train_in_lockstep

FROZEN = {
    'model.backbone': dict(
        frozen_stages=4, norm_cfg=dict(type='BN', requires_grad=False), norm_eval=True
    ),
    'model.refiner': None,
}
STEPS = 4
VARIANTS = {
    'pldc': {},
    'supervised': {},
    'expected_count': {
        'model.pseudo_label_filter': dict(
            class_thr=None, mask_thr=None, score_thr=0.5, score='certain'
        ),
        'model.class_thresholds': dict(
            type='mmpldc.ExpectedCountThreshold', share=2.0, floor=0.0, window=20
        ),
        'model.pseudo_label_weights': dict(type='mmpldc.CertainLabelWeights'),
        'model.ignore_uncertain': True,
    },
}


@pytest.fixture
def calls(monkeypatch) -> list[int]:
    """The number of images of each pass through a backbone."""
    calls = []
    forward = ResNet.forward
    monkeypatch.setattr(ResNet, 'forward', lambda self, x: calls.append(len(x)) or forward(self, x))
    return calls


@pytest.fixture
def config_of(load_config, tmp_path):
    def config_of(name, kind):
        base = 'supervised' if name == 'supervised' else 'pldc'
        cfg = load_config(base, max_iters=STEPS, **FROZEN, **VARIANTS[name])
        cfg.work_dir = str(tmp_path / kind / name)
        return cfg

    return config_of


class Metrics(Hook):
    def __init__(self):
        self.found = {}

    def after_val_epoch(self, runner, metrics=None):
        self.found[runner.iter] = metrics


def assert_equal_states(mine, others):
    assert mine.keys() == others.keys()
    for key, value in mine.items():
        assert torch.equal(value, others[key]), key


def test_equals_ordinary_runs(config_of, run, calls, tmp_path):
    metrics, expected = {}, {}
    for name in VARIANTS:
        cfg, watch = config_of(name, 'alone'), Metrics()
        expected[name] = run(cfg, work_dir=cfg.work_dir, hooks=[watch]).model.state_dict()
        metrics[name] = watch.found
    alone, found = sum(calls), {name: {} for name in VARIANTS}
    calls.clear()
    runners = train_in_lockstep(
        {name: config_of(name, 'together') for name in VARIANTS},
        on_validation=lambda name, step, values: found[name].update({step: values}),
    )
    for name, runner in runners.items():
        assert_equal_states(runner.model.state_dict(), expected[name])
    assert found == metrics and all(metrics.values())
    # Labelled and strong views of each step, weak ones after burn-in, validation: once each.
    assert sum(calls) < 0.45 * alone

    # A burn-in that they share: all continue from the supervised run's.
    burn_in = str(tmp_path / 'alone/supervised/iter_2.pth')
    runners = train_in_lockstep(
        {name: config_of(name, 'continued') for name in VARIANTS}, checkpoint=burn_in
    )
    for name, runner in runners.items():
        assert_equal_states(runner.model.state_dict(), expected[name])


def test_a_run_that_fails_ends_all(config_of, run):
    configs = {name: config_of(name, 'failing') for name in VARIANTS}
    configs['expected_count'].model.pseudo_label_filter.score = 'unknown'
    with pytest.raises(ValueError, match='score must be one of'):
        train_in_lockstep(configs)
