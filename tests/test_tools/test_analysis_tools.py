"""Parts of the analysis tools: names of runs, tables, the state that a refiner needs."""

import importlib.util
import json
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from mmengine.config import Config

ANALYSIS = Path(__file__).parents[2] / 'tools' / 'analysis'


@pytest.fixture
def tool(monkeypatch):
    """Import a tool as Python does when a user calls it: its folder is on the path."""
    monkeypatch.syspath_prepend(ANALYSIS)

    def tool(name: str):
        spec = importlib.util.spec_from_file_location(name, ANALYSIS / f'{name}.py')
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        return module

    return tool


def write_analysis(path, name):
    path.write_text(json.dumps(dict(name=name, error_types=dict(share={}))))
    return path


def test_runs_are_told_apart(tool, tmp_path):
    read_runs = tool('analyze_pseudo_labels').read_runs
    first, second = (write_analysis(tmp_path / f'{name}.json', name) for name in 'ab')
    assert [*read_runs([first, second], 'c')] == ['a', 'b']
    for paths, name in (([first, second], 'a'), ([first, first], 'c')):
        with pytest.raises(SystemExit, match="two runs have the name 'a'"):
            read_runs(paths, name)


def test_categories_follow_the_labels(tool, tmp_path):
    categories = [
        dict(id=7, name='dog', supercategory='animal'),
        dict(id=2, name='sky', supercategory=''),
        dict(id=9, name='car'),
    ]
    (tmp_path / 'ann.json').write_text(json.dumps(dict(categories=categories)))
    dataset = SimpleNamespace(ann_file=str(tmp_path / 'ann.json'), cat_ids=[9, 7])
    read_categories = tool('analyze_pseudo_labels').read_categories
    assert read_categories(dataset) == (['car', 'dog'], [None, 'animal'])
    dataset.cat_ids = [2]
    assert read_categories(dataset) == (['sky'], [None])


def test_most_confused_pairs(tool):
    most_confused_pairs = tool('analyze_pseudo_labels').most_confused_pairs
    matrix = np.array([[9, 1, 0, 9], [3, 9, 0, 9], [0, 0, 9, 9], [9, 9, 9, 0]])
    assert most_confused_pairs(matrix, ['a', 'b', 'c']) == ['b as a: 3', 'a as b: 1']


def test_undefined_values_are_null(tool):
    plain = tool('analyze_pseudo_labels').plain(dict(a=float('nan'), b=np.float64(0.5)))
    assert plain == dict(a=None, b=0.5)


@pytest.mark.parametrize(('with_refiner', 'weight'), [(True, 'scheduled'), (False, None)])
def test_a_model_is_loaded_as_it_was_at_its_checkpoint(
    tool, monkeypatch, tmp_path, with_refiner, weight
):
    common = tool('common')
    monkeypatch.setattr(common, 'read_checkpoint', lambda path: f'read {path}')
    monkeypatch.setattr(common, 'load_labeler', lambda cfg, *args, **options: (args, options))
    monkeypatch.setattr(common.Runner, 'build_dataloader', lambda loader: loader.dataset.ann_file)
    Config(dict(val_dataloader=dict(dataset=dict(ann_file='')))).dump(tmp_path / 'config.py')
    args = common.argument_parser('').parse_args(
        [str(tmp_path / 'config.py'), 'iter_3.pth', '--ann-file', 'a.json']
    )
    loaded, ann_file = common.load(args, with_refiner=with_refiner)
    assert loaded == (('read iter_3.pth',), dict(refiner_weight=weight, device='cpu'))
    assert ann_file == 'a.json'


def test_a_dumps_config_is_executed_only_for_who_trusts_it(tool, tmp_path, monkeypatch, capsys):
    marker, dump = tmp_path / 'executed', tmp_path / 'nonfinite_iter_1_rank_0.pth'
    torch.save(dict(config=f'import pathlib\npathlib.Path({str(marker)!r}).touch()\n'), dump)
    replay_step = tool('replay_step')
    monkeypatch.setattr('sys.argv', ['replay_step.py', str(dump)])
    with pytest.raises(SystemExit, match='2'):
        replay_step.main()
    assert not marker.exists()
    assert 'Python code that this tool executes' in capsys.readouterr().err
    monkeypatch.setattr('sys.argv', ['replay_step.py', '--trust-dump', str(dump)])
    with pytest.raises(AttributeError, match='model'):  # the config has none
        replay_step.main()
    assert marker.exists()
    with pytest.raises(SystemExit, match='0'):
        monkeypatch.setattr('sys.argv', ['replay_step.py', '--help'])
        replay_step.main()
    assert 'EXECUTES' in capsys.readouterr().out
