"""What the options of tools/train.py and tools/test.py change in the config; nothing is run."""

import importlib.util
import logging
import sys
from copy import deepcopy
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from mmdet.evaluation import DumpDetResults
from mmengine.optim import OptimWrapper
from mmengine.registry import RUNNERS
from mmengine.runner import Runner

TOOLS = Path(__file__).resolve().parents[2] / 'tools'
CONFIG = """
model = dict(type='Toy')
optim_wrapper = dict(type='OptimWrapper', optimizer=dict(type='SGD', lr=0.1))
train_dataloader = dict(dataset=dict(datasets=[dict(ann_file='a.json'), dict(ann_file='b.json')]))
default_hooks = dict(visualization=dict(type='DetVisualizationHook'))
"""


@pytest.fixture
def call(tmp_path, monkeypatch):
    """Call a tool's main with a Runner that only remembers its config and what it should do."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv('LOCAL_RANK', raising=False)

    def call(name: str, *args: str, config: str = CONFIG):
        Path('my_config.py').write_text(config)
        runner = SimpleNamespace(
            done=[],
            test_evaluator=SimpleNamespace(metrics=[]),
            logger=logging.getLogger('test_train_and_test'),
            register_hook=lambda hook: None,
            model=torch.nn.Linear(1, 1),
            world_size=1,
            seed=0,
            work_dir='work_dir',
            log_dir='log_dir',
        )
        runner.train = lambda: runner.done.append('train')
        runner.test = lambda: runner.done.append('test')

        def build(cfg):
            runner.cfg = cfg
            runner.auto_scale_lr = deepcopy(cfg.get('auto_scale_lr'))
            return runner

        monkeypatch.setattr('mmpldc.apis.runs.join_ranks_on_cpu', lambda cfg: None)
        monkeypatch.setattr('mmpldc.apis.runs.fetch_weights', lambda cfg: None)
        monkeypatch.setattr('mmpldc.apis.runs.check_checkpoint', lambda path, model, cfg: None)
        monkeypatch.setattr(Runner, 'from_cfg', build)
        monkeypatch.setattr(RUNNERS, 'build', build)
        monkeypatch.setattr(sys, 'argv', [name, 'my_config.py', *args])
        spec = importlib.util.spec_from_file_location('tool', TOOLS / name)
        tool = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(tool)
        tool.main()
        assert runner.done == [name.removesuffix('.py')]
        return runner

    return call


# ---------------------------------------------------------------- both

TOOLS_AND_ARGS = [('train.py',), ('test.py', 'last.pth')]
both = pytest.mark.parametrize('tool', TOOLS_AND_ARGS, ids=lambda tool: tool[0])


@both
def test_work_dir_comes_from_the_command_else_the_config_else_its_name(call, tool):
    set_in_config = CONFIG + "work_dir = 'in/config'\n"
    assert call(*tool).cfg.work_dir == 'work_dirs/my_config'
    assert call(*tool, config=set_in_config).cfg.work_dir == 'in/config'
    assert call(*tool, '--work-dir', 'here', config=set_in_config).cfg.work_dir == 'here'
    options = ('--cfg-options', 'work_dir=option')
    assert call(*tool, *options, config=set_in_config).cfg.work_dir == 'option'


@both
def test_cfg_options_reach_lists_and_values(call, tool):
    options = (
        '--cfg-options',
        'train_dataloader.dataset.datasets.1.ann_file=c.json',
        'custom_hooks="[1,2]"',
    )
    cfg = call(*tool, *options).cfg
    assert [d.ann_file for d in cfg.train_dataloader.dataset.datasets] == ['a.json', 'c.json']
    assert cfg.custom_hooks == [1, 2]


@both
def test_options_that_nobody_reads_are_refused_before_anything_runs(call, tool):
    with pytest.raises(SystemExit, match=r'my_config\.py: --cfg-options nwe=3: no key nwe'):
        call(*tool, '--cfg-options', 'nwe=3')


@both
@pytest.mark.parametrize('launcher', ['none', 'pytorch', 'slurm', 'mpi'])
def test_launcher(call, tool, launcher):
    assert call(*tool, '--launcher', launcher).cfg.launcher == launcher
    assert call(*tool).cfg.launcher == 'none'


@both
@pytest.mark.parametrize('option', ['--local_rank', '--local-rank'])
def test_local_rank_sets_the_variable_unless_torchrun_did(call, tool, option, monkeypatch):
    import os

    call(*tool, option, '3')
    assert os.environ['LOCAL_RANK'] == '3'
    monkeypatch.setenv('LOCAL_RANK', '1')
    call(*tool, option, '3')
    assert os.environ['LOCAL_RANK'] == '1'


@both
def test_runner_type_is_respected(call, tool, monkeypatch):
    config = CONFIG + "runner_type = 'FlexibleRunner'\n"
    assert call(*tool, config=config).cfg.runner_type == 'FlexibleRunner'


# ---------------------------------------------------------------- train.py


def test_resume(call, monkeypatch):
    resumed = []
    monkeypatch.setattr('mmpldc.apis.runs.resume_runner', lambda _, path: resumed.append(path))
    call('train.py')
    assert resumed == []
    call('train.py', '--resume')
    call('train.py', '--resume', 'iter_7.pth')
    assert resumed == [None, 'iter_7.pth']


def test_amp_without_a_gpu_is_refused(call, monkeypatch):
    monkeypatch.setattr('mmengine.device.utils.DEVICE', 'cpu')
    with pytest.raises(SystemExit, match='--amp needs a GPU'):
        call('train.py', '--amp')


def test_amp(call, monkeypatch):
    monkeypatch.setattr('mmengine.device.utils.DEVICE', 'cuda')
    assert call('train.py').cfg.optim_wrapper.type == 'OptimWrapper'
    wrapper = call('train.py', '--amp').cfg.optim_wrapper
    assert (wrapper.type, wrapper.loss_scale) == ('AmpOptimWrapper', 'dynamic')
    guarded = CONFIG.replace("type='OptimWrapper'", "type='mmpldc.GuardedOptimWrapper'")
    wrapper = call('train.py', '--amp', config=guarded).cfg.optim_wrapper
    assert (wrapper.type, wrapper.loss_scale) == ('mmpldc.GuardedAmpOptimWrapper', 'dynamic')
    options = ('--cfg-options', 'optim_wrapper.dtype=bfloat16', 'optim_wrapper.loss_scale=512.')
    wrapper = call('train.py', '--amp', *options).cfg.optim_wrapper
    assert (wrapper.dtype, wrapper.loss_scale) == ('bfloat16', 512.0)


def test_auto_scale_lr(call):
    config = CONFIG + 'auto_scale_lr = dict(enable=False, base_batch_size=16)\n'
    assert not call('train.py', config=config).cfg.auto_scale_lr.enable
    assert call('train.py', '--auto-scale-lr', config=config).cfg.auto_scale_lr.enable
    with pytest.raises(SystemExit, match=r'my_config\.py has no auto_scale_lr\.base_batch_size'):
        call('train.py', '--auto-scale-lr')


@pytest.mark.parametrize('count', [1, 4])
def test_auto_scale_lr_counts_processes_and_accumulation(call, count):
    """Of the two mmengine counts processes; the config stays what it was."""
    config = CONFIG + 'auto_scale_lr = dict(enable=False, base_batch_size=16)\n'
    options = ('--cfg-options', f'optim_wrapper.accumulative_counts={count}')
    runner = call('train.py', '--auto-scale-lr', *options, config=config)
    assert runner.cfg.auto_scale_lr.base_batch_size == 16
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=0.1)
    runner = SimpleNamespace(
        auto_scale_lr=runner.auto_scale_lr,
        _train_dataloader=dict(batch_size=2),
        world_size=3,
        param_schedulers=None,
        logger=SimpleNamespace(info=lambda text: None),
    )
    Runner.scale_lr(runner, OptimWrapper(optimizer), runner.auto_scale_lr)
    assert optimizer.param_groups[0]['lr'] == pytest.approx(0.1 * 2 * 3 * count / 16)


# ---------------------------------------------------------------- test.py


def test_checkpoint_is_loaded_and_never_resumed(call):
    config = CONFIG + "load_from = 'pretrained.pth'\nresume = True\n"
    cfg = call('test.py', 'last.pth', config=config).cfg
    assert (cfg.resume, cfg.load_from) == (False, 'last.pth')


def test_show_and_show_dir_turn_painting_on(call):
    assert 'draw' not in call('test.py', 'last.pth').cfg.default_hooks.visualization
    hook = call(
        'test.py', 'last.pth', '--show', '--wait-time', '0.5'
    ).cfg.default_hooks.visualization
    assert (hook.draw, hook.show, hook.wait_time) == (True, True, 0.5)
    hook = call('test.py', 'last.pth', '--show-dir', 'painted').cfg.default_hooks.visualization
    assert (hook.draw, hook.test_out_dir) == (True, 'painted') and 'show' not in hook


@pytest.mark.parametrize('name', ['a.pkl', 'b.pickle'])
def test_out_adds_a_dump(call, name):
    assert call('test.py', 'last.pth').test_evaluator.metrics == []
    (metric,) = call('test.py', 'last.pth', '--out', name).test_evaluator.metrics
    assert isinstance(metric, DumpDetResults) and metric.out_file_path == name


def test_out_must_be_a_pickle_and_says_so_at_once(call, capsys):
    with pytest.raises(SystemExit):
        call('test.py', 'last.pth', '--out', 'predictions.json')
    assert "must end in .pkl or .pickle, got 'predictions.json'" in capsys.readouterr().err


@pytest.mark.parametrize('words', [('train.py',), ('test.py', 'last.pth')])
def test_a_hook_of_any_name_can_be_left_out(call, words):
    """mmengine takes None for its own hooks only."""
    config = CONFIG + "default_hooks = dict(non_finite=None, logger=None, own=dict(type='A'))\n"
    assert call(*words, config=config).cfg.default_hooks == dict(logger=None, own=dict(type='A'))


@pytest.mark.parametrize(('load_from', 'path'), [(None, None), ('a.pth', 'a.pth')])
def test_resume_in_the_config_follows_the_same_rules(call, monkeypatch, load_from, path):
    asked = []
    monkeypatch.setattr('mmpldc.apis.runs.resume_runner', lambda runner, path: asked.append(path))
    config = CONFIG + f'resume = True\nload_from = {load_from!r}\n'
    runner = call('train.py', config=config)
    assert asked == [path] and runner.cfg.resume is False
