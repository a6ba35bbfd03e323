"""The tools that compare pseudo-labels with annotations, as a user calls them."""

import json
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from mmdet.registry import MODELS
from mmengine.registry import DefaultScope
from mmengine.runner import save_checkpoint

from mmpldc.datasets.shapes import CLASSES
from mmpldc.evaluation.error_analysis import ERROR_TYPES

pytestmark = pytest.mark.slow
NUM_IMAGES = 6
SUPERCATEGORIES = ['round', 'round', 'straight', *[None] * (len(CLASSES) - 3)]


@pytest.fixture(scope='module')
def files(load_config, shapes_root, tmp_path_factory) -> dict[str, Path]:
    """A config, a checkpoint that has learnt nothing, and annotations with supercategories."""
    folder = tmp_path_factory.mktemp('analysis')
    cfg = load_config(**{'model.refiner': None})
    cfg.dump(folder / 'config.py')
    torch.manual_seed(0)
    with DefaultScope.overwrite_default_scope('mmdet'):
        model = MODELS.build(cfg.model)
    meta = dict(dataset_meta=dict(classes=CLASSES))
    checkpoint = folder / 'untrained' / 'iter_0.pth'
    save_checkpoint(dict(state_dict=model.state_dict(), meta=meta), str(checkpoint))
    content = json.loads((shapes_root / 'annotations/unlabeled_hidden.json').read_text())
    for category, supercategory in zip(content['categories'], SUPERCATEGORIES, strict=True):
        category['supercategory'] = supercategory
    (folder / 'annotations.json').write_text(json.dumps(content))
    return dict(
        config=folder / 'config.py',
        checkpoint=checkpoint,
        annotations=folder / 'annotations.json',
    )


@pytest.fixture
def run_analysis(files, run_tool, tmp_path):
    """Run a tool of tools/analysis on the hidden annotations."""

    def run_analysis(name: str, *args) -> str:
        return run_tool(
            *(f'analysis/{name}', files['config'], files['checkpoint']),
            *('--ann-file', files['annotations'], '--img-prefix', 'images/train/'),
            *('--num-images', NUM_IMAGES, *args),
            cwd=tmp_path,
        )

    return run_analysis


def test_analysis_writes_json_and_pictures(run_analysis, tmp_path):
    tool = 'analyze_pseudo_labels.py'
    # a filter that lets everything through: both passes label the same
    filtering = dict(class_thr=0, mask_thr=0, duplicate_iou=None)
    run_analysis(
        *(tool, '--out', 'all', '--name', 'all', '--min-class-quality', 0, '--cfg-options'),
        *(f'model.pseudo_label_filter.{key}={value}' for key, value in filtering.items()),
    )
    every = json.loads((tmp_path / 'all/analysis.json').read_text())
    printed = run_analysis(tool, '--out', 'some', '--compare', 'all/analysis.json')
    analysis = json.loads((tmp_path / 'some/analysis.json').read_text())

    assert (every['name'], analysis['name']) == ('all', 'untrained/iter_0')
    assert analysis['classes'] == list(CLASSES)
    assert analysis['supercategories'] == SUPERCATEGORIES
    assert analysis['num_images'] == NUM_IMAGES
    for result in every, analysis:
        matrix = np.array(result['confusion_matrix'])
        assert matrix.shape == (len(CLASSES) + 1,) * 2
        assert matrix[:, :-1].sum() == result['pseudo_labels']['count'] > 0
        assert matrix[:-1].sum() >= result['num_objects'] > 0
        assert sum(result['error_types']['share'].values()) == pytest.approx(1)
        assert sum(result['error_types']['count'].values()) == result['pseudo_labels']['count']
        for row in result['candidates']['rank_correlations'].values():
            assert -1 <= row['mask_iou'] <= 1
    candidates = analysis['candidates']['count']
    assert every['candidates']['count'] == every['pseudo_labels']['count'] >= candidates
    assert 'untrained/iter_0' in printed and 'coupled score' in printed
    for kind in ERROR_TYPES:
        assert kind in printed

    for folder in 'all', 'some':
        for picture in 'quality_against_iou', 'confusion_matrix', 'error_types':
            assert cv2.imread(str(tmp_path / folder / f'{picture}.png')).std() > 0


def test_grid_of_thresholds(run_analysis, tmp_path):
    printed = run_analysis('pseudo_label_quality.py', '--grid', '--out', 'grid.json')
    rows = json.loads((tmp_path / 'grid.json').read_text())
    assert len(rows) == 8 * 5
    kept = {(row['class_thr'], row['mask_thr']): row['kept_per_image'] for row in rows}
    assert kept[0.3, 0.7] >= kept[0.95, 0.7] and kept[0.3, 0.7] >= kept[0.3, 0.93]
    assert 'kept_per_image' in printed
