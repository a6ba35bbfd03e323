"""A base with another number of steps."""

from pathlib import Path

import pytest
from mmengine.config import Config

CONFIGS = Path(__file__).parents[3] / 'configs'


@pytest.fixture
def write_base():
    from run_length import write_base

    return write_base


@pytest.mark.parametrize('base', ['quickstart/pldc.py', 'comparison/semantic/_base.py'])
def test_all_that_counts_iterations_keeps_its_share(write_base, tmp_path, base):
    before = Config.fromfile(CONFIGS / base)
    steps = before.train_cfg.max_iters // 2
    after = Config.fromfile(write_base(CONFIGS / base, steps, tmp_path / 'base.py'))
    assert after.train_cfg.max_iters == after.max_iters == steps
    for name in ('train_cfg.val_interval', 'model.burn_in_iters'):
        mine, own = after, before
        for key in name.split('.'):
            mine, own = mine[key], own[key]
        assert mine == own // 2
    assert after.default_hooks.checkpoint.interval == before.default_hooks.checkpoint.interval // 2
    warm_up, decay = after.param_scheduler
    own_warm_up, own_decay = before.param_scheduler
    assert (warm_up.begin, warm_up.end) == (0, own_warm_up.end // 2)
    assert (decay.begin, decay.end) == (own_decay.begin // 2, steps)
    assert decay.get('T_max') == (own_decay.T_max // 2 if 'T_max' in own_decay else None)
    assert warm_up.start_factor == own_warm_up.start_factor and decay.type == own_decay.type
    changed = {'max_iters', 'train_cfg', 'param_scheduler', 'model', 'default_hooks'}
    for key in before.to_dict().keys() - changed - {'burn_in_iters'}:
        assert after[key] == before[key], key
    own_model = dict(before.model.to_dict(), burn_in_iters=after.model.burn_in_iters)
    assert after.model.to_dict() == own_model


def test_steps_at_which_the_rate_drops_keep_their_share(write_base, tmp_path):
    """As in the config of own data, whose schedule is the paper's."""
    base = CONFIGS / 'custom/pldc_mask2former_r50_custom.py'
    before = Config.fromfile(base)
    found = Config.fromfile(write_base(base, before.max_iters // 5, tmp_path / 'base.py'))
    assert before.param_scheduler.milestones == [9 * before.max_iters // 10]
    assert found.param_scheduler.milestones == [9 * found.max_iters // 10]
    assert found.param_scheduler.end == found.max_iters


def test_one_scheduler_and_none(write_base, tmp_path):
    base = tmp_path / 'one.py'
    text = (
        'train_cfg = dict(max_iters=100, val_interval=50)\nmodel = dict(burn_in_iters=0)\n'
        'default_hooks = dict(checkpoint=dict(interval=25))\n'
    )
    base.write_text(text + "param_scheduler = dict(type='PolyLR', begin=0, end=100, power=0.9)\n")
    found = Config.fromfile(write_base(base, 300, tmp_path / 'longer.py'))
    assert found.param_scheduler == dict(type='PolyLR', begin=0, end=300, power=0.9)
    assert found.model.burn_in_iters == 0  # stays without burn-in
    base.write_text(text)
    assert 'param_scheduler' not in Config.fromfile(write_base(base, 50, tmp_path / 'none.py'))
