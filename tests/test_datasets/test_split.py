"""Labelled and unlabelled parts of an annotated set."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from mmpldc.datasets.split import split_coco

TOOL = Path(__file__).parents[2] / 'tools/dataset/split.py'


def coco(num_images):
    return dict(
        info=dict(year=2026),
        images=[dict(id=i, file_name=f'{i}.jpg') for i in range(num_images)],
        annotations=[dict(id=2 * i + j, image_id=i) for i in range(num_images) for j in (0, 1)],
        categories=[dict(id=1, name='thing')],
    )


@pytest.mark.parametrize(
    ('num_images', 'percent', 'count'), [(200, 1, 2), (200, 10, 20), (10, 0.1, 1), (3, 99, 3)]
)
def test_parts(num_images, percent, count):
    whole = coco(num_images)
    labeled, unlabeled = split_coco(whole, percent=percent, seed=1)
    ids = {image['id'] for image in labeled['images']}
    assert len(ids) == len(labeled['images']) == count
    assert ids | {image['id'] for image in unlabeled['images']} == set(range(num_images))
    assert len(unlabeled['images']) == num_images - count
    assert unlabeled['annotations'] == []
    assert {a['image_id'] for a in labeled['annotations']} == ids
    assert len(labeled['annotations']) == 2 * count
    for part in (labeled, unlabeled):
        assert (part['categories'], part['info']) == (whole['categories'], whole['info'])


def test_seed_decides():
    first, again, other = (split_coco(coco(100), percent=10, seed=s)[0] for s in (1, 1, 2))
    assert first == again
    assert first != other


@pytest.mark.parametrize('percent', [0, 100, -1])
def test_share_out_of_range(percent):
    with pytest.raises(ValueError, match='percent must lie between'):
        split_coco(coco(10), percent=percent, seed=0)


def test_duplicate_ids():
    twice = coco(4)
    twice['images'].append(dict(id=3, file_name='again.jpg'))
    with pytest.raises(ValueError, match=r'twice in the annotation file: \[3\]'):
        split_coco(twice, percent=50, seed=0)


def test_tool_names_files_as_mmdet_does(tmp_path):
    path = tmp_path / 'instances_train.json'
    path.write_text(json.dumps(coco(40)))
    command = [sys.executable, str(TOOL), str(path), '--percent', '12.5', '--fold', '3']
    subprocess.run(command, check=True, capture_output=True)
    names = sorted(p.name for p in tmp_path.iterdir())
    assert names == [
        'instances_train.3@12.5-unlabeled.json',
        'instances_train.3@12.5.json',
        'instances_train.json',
    ]
    assert len(json.loads((tmp_path / names[1]).read_text())['images']) == 5
