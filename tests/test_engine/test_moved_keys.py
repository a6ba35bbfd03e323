"""Configs of before 0.2.0 either work as they did or get one line that names the new key."""

import pytest
from mmdet.registry import HOOKS
from mmengine.config import Config
from mmengine.hooks import Hook

from mmpldc.engine.hooks import MeanTeacherHook
from mmpldc.engine.moved_keys import moved_keys

TYPE = 'mmpldc.MeanTeacherHook'
LOG = dict(type='mmpldc.ClassThresholdsLogHook')
OURS = dict(mean_teacher=dict(type=TYPE, keep_rate=0.9996))


def config(custom_hooks=None, default_hooks=OURS, options=None) -> Config:
    cfg = Config(dict(default_hooks=default_hooks))
    if custom_hooks is not None:
        cfg.custom_hooks = custom_hooks
    cfg.merge_from_dict(options or {})
    return cfg


@pytest.mark.parametrize(
    'cfg',
    [
        config(),
        config([LOG]),
        config([Hook()]),
        config([dict(type='EMAHook', momentum=0.1), dict(type='Mine', keep_rate=0.5)]),
        # as a run of before wrote it into its work directory
        config([dict(type=TYPE, keep_rate=0.5)], default_hooks={}),
        config([dict(type=TYPE, keep_rate=0.5)], default_hooks=dict(mean_teacher=None)),
        Config(dict(custom_hooks=None)),
        Config({}),
    ],
)
def test_what_works(cfg):
    assert moved_keys(cfg) is None


@pytest.mark.parametrize('kind', ['mmpldc.PlainViT', 'mmpldc.ViTMaps'])
def test_transformers_of_mmpretrain_are_refused_with_the_new_class(kind):
    cfg = Config(dict(model=dict(backbone=dict(type=kind))))
    assert f'{kind} is mmpldc.TimmBackbone now' in moved_keys(cfg)
    assert moved_keys(Config(dict(model=dict(backbone=dict(type='ResNet'))))) is None
    assert moved_keys(Config(dict(model=dict(backbone=None)))) is None


@pytest.mark.parametrize('kind', [TYPE, MeanTeacherHook])
@pytest.mark.parametrize('others', [[], [LOG], [Hook()]])
def test_a_second_hook_is_refused_with_the_new_key(kind, others):
    cfg = config([*others, dict(type=kind, keep_rate=0.5, ramp_up=True)])
    new = 'default_hooks = dict(mean_teacher=dict(keep_rate=0.5, ramp_up=True))'
    assert new in moved_keys(cfg)


@pytest.mark.parametrize('custom_hooks', [None, [LOG]])
@pytest.mark.parametrize(('key', 'value'), [('keep_rate', 0.5), ('teacher_checkpoint', 'a.pth')])
def test_an_option_is_refused_with_the_new_one(custom_hooks, key, value):
    """With a list of other hooks it would reach one of them, without a list it would make one."""
    cfg = config(custom_hooks, options={f'custom_hooks.0.{key}': value})
    message = moved_keys(cfg)
    assert f'--cfg-options default_hooks.mean_teacher.{key}={value}' in message


def test_a_run_with_two_hooks_ends_before_it_starts(make_runner, toy_pair):
    class Mine(MeanTeacherHook):
        pass

    runner = make_runner(model=toy_pair(), hooks=(MeanTeacherHook(), Mine()))
    with pytest.raises(ValueError, match=r'keep default_hooks\.mean_teacher'):
        runner.train()
    assert not runner.recorder.weights


def test_the_type_is_ours():
    assert HOOKS.get(TYPE) is MeanTeacherHook
