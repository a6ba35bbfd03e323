"""Every config and every documented option builds, on one habit; hooks keep their order."""

import json
from functools import partial

import pytest
import torch
from documented import CONFIGS, ROOT, Row, all_rows, load
from mmdet.registry import MODELS
from mmengine.config import Config
from mmengine.runner import Runner
from mmengine.visualization import Visualizer
from torch import nn

EXPERIMENTS = sorted(
    str(path.relative_to(CONFIGS))
    for path in CONFIGS.rglob('*.py')
    if not any(part.startswith('_') for part in path.relative_to(CONFIGS).parts)
    and 'semantic' not in path.parts  # test_semantic.py
)
WITH_OPTIONS = [row for row in all_rows() if row.options]


@pytest.fixture(scope='module')
def seen():
    """Models and hooks that have been checked: most experiments differ in other things."""
    return set()


@pytest.mark.parametrize(
    'row',
    [*(Row('', name, (), '') for name in EXPERIMENTS), *WITH_OPTIONS],
    ids=lambda row: ' '.join([row.config, *row.options]),
)
def test_experiment_builds(row, seen, monkeypatch):
    config = load(row.config, row.options)
    loader = config.train_dataloader
    if row.config.split('/')[0] not in (
        'quickstart',
        'comparison',
        'few_labels',
    ):  # not made to be scaled
        assert config.auto_scale_lr.base_batch_size == loader.batch_size
    assert loader.batch_size == loader.sampler.batch_size
    parts = [part for part in (loader.dataset.labeled, loader.dataset.get('unlabeled')) if part]
    assert all(('ann_file' in part) != bool(loader.dataset.get('split')) for part in parts)
    for check, keys in (check_hooks, ('default_hooks', 'custom_hooks')), (check_model, ('model',)):
        settings = json.dumps([config.to_dict().get(key) for key in keys], sort_keys=True)
        if settings not in seen:
            check(config, monkeypatch)
            seen.add(settings)


def check_model(config: Config, monkeypatch) -> None:
    config.model.backbone.init_cfg = None
    # Swin reads its rates of drop path from a tensor
    monkeypatch.setattr(torch, 'linspace', partial(torch.linspace, device='cpu'))
    with torch.device('meta'):  # shapes without numbers: drawing those takes most of the time
        model = MODELS.build(config.model)
    head = model.student.panoptic_head
    assert head.cls_embed.out_features == config.model.num_classes + 1
    assert head.class_weight == [1.0] * config.model.num_classes + [0.1]
    assert max((m.p for m in model.modules() if isinstance(m, nn.Dropout)), default=0) == 0
    assert not any(p.requires_grad for p in model.teacher.parameters())


def check_hooks(config: Config, monkeypatch) -> None:
    """The teacher's hook is where it was as the first of the custom hooks (before 0.2.0)."""
    custom = config.get('custom_hooks', [])
    own = config.default_hooks.mean_teacher
    now = order_of_hooks(dict(config.default_hooks), custom)
    others = {key: hook for key, hook in config.default_hooks.items() if key != 'mean_teacher'}
    assert now == order_of_hooks(others, [own, *custom])
    assert now.count('MeanTeacherHook') == 1


def order_of_hooks(default_hooks: dict, custom_hooks: list) -> list[str]:
    """As a Runner sorts them, by their names."""
    Visualizer.get_instance('order')  # one of them asks for it
    runner = Runner.__new__(Runner)
    runner._hooks = []
    runner.register_hooks(default_hooks, custom_hooks)
    return [type(hook).__name__ for hook in runner.hooks]


def test_every_experiment_is_documented():
    """A config is a row of the docs, or belongs to a folder that has a page of its own."""
    named = {row.config for row in all_rows()}
    named.add('compatibility/teacher_predicted_iou_mask2former_r50_coco_10pct.py')
    page = (ROOT / 'docs/methods.md').read_text()
    assert 'compatibility/teacher_predicted_iou_mask2former_r50_coco_10pct.py' in page
    folders = ('quickstart/', 'custom/', 'comparison/', 'few_labels/')
    assert {name for name in EXPERIMENTS if not name.startswith(folders)} == named


def test_only_where_the_quickstarts_data_are_depends_on_the_environment():
    found = {path for path in CONFIGS.rglob('*.py') if '{{$' in path.read_text()}
    assert found == {
        CONFIGS / 'quickstart/_base_shapes.py',
        CONFIGS / 'quickstart/pldc.py',
        CONFIGS / 'semantic/_base_/datasets/shapes.py',
        CONFIGS / 'few_labels/photographs.py',
        CONFIGS / 'comparison/semantic/_photographs.py',
    }
