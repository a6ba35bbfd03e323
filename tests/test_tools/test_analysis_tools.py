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
        with pytest.raises(SystemExit, match="two runs are called 'a'"):
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


def test_undefined_values_are_null(tool, tmp_path):
    path = tmp_path / 'result.json'
    tool('analyze_pseudo_labels').write_json(path, dict(a=float('nan'), b=np.float64(0.5)))
    assert json.loads(path.read_text()) == dict(a=None, b=0.5)


@pytest.mark.parametrize(('meta', 'step'), [(dict(iter=30), 30), (dict(), 100)])
def test_refiner_gets_classes_and_progress(tool, monkeypatch, tmp_path, meta, step):
    common = tool('common')
    calls = []
    refiner = SimpleNamespace(prepare=lambda *args: calls.append(('prepare', *args)))
    model = SimpleNamespace(refiner=refiner, set_progress=lambda *args: calls.append(args))
    loader = SimpleNamespace(dataset=SimpleNamespace(metainfo=dict(classes=('a', 'b'))))
    configs = []
    monkeypatch.setattr(common, 'init_detector', lambda cfg, *_, **__: configs.append(cfg) or model)
    monkeypatch.setattr(common.Runner, 'build_dataloader', lambda _: loader)
    torch.save(dict(meta=meta), tmp_path / 'checkpoint.pth')
    cfg = dict(
        model=dict(refiner='a refiner'),
        val_dataloader=dict(dataset=dict()),
        train_cfg=dict(max_iters=100),
    )
    Config(cfg).dump(tmp_path / 'config.py')
    arguments = [str(tmp_path / 'config.py'), str(tmp_path / 'checkpoint.pth')]
    args = common.argument_parser('').parse_args(arguments)

    assert common.load(args) == (model, loader)
    assert calls == [(step, 100), ('prepare', ('a', 'b'), torch.device('cpu'))]
    calls.clear()
    model.refiner = None
    assert common.load(args, with_refiner=False) == (model, loader) and not calls
    assert [cfg.model.refiner for cfg in configs] == ['a refiner', None]
