"""Two named parts."""

import json
import random
import re
from pathlib import Path

import numpy as np
import pytest
import torch
from mmdet.datasets import CocoDataset
from mmdet.registry import DATASETS
from mmengine.config import ConfigDict
from torch.utils.data import DataLoader

from mmpldc.datasets.samplers import SeededIndex
from mmpldc.utils.randomness import Purpose

CLASSES = ('cat', 'dog')


def part(tmp_path, name, num_images, **settings):
    """Images of one class, one box each, without any file on disk."""
    content = dict(
        images=[
            dict(id=i, file_name=f'{name}{i}.jpg', width=9, height=9) for i in range(num_images)
        ],
        annotations=[
            dict(id=i, image_id=i, category_id=1, bbox=[1, 1, 4, 4], area=16, iscrowd=0)
            for i in range(num_images)
        ],
        categories=[dict(id=1, name='cat'), dict(id=2, name='dog')],
    )
    (tmp_path / f'{name}.json').write_text(json.dumps(content))
    return ConfigDict(type='CocoDataset', ann_file=f'{name}.json', **settings)


def build(tmp_path, **settings):
    parts = dict(labeled=part(tmp_path, 'labeled', 2), unlabeled=part(tmp_path, 'unlabeled', 3))
    shared = dict(
        data_root=str(tmp_path), data_prefix=dict(img='images'), metainfo=dict(classes=CLASSES)
    )
    return DATASETS.build(ConfigDict(dict(type='mmpldc.SemiDataset', **shared) | parts | settings))


def test_parts_in_order(tmp_path):
    dataset = build(tmp_path)
    assert all(isinstance(part, CocoDataset) for part in dataset.datasets)
    assert dataset.metainfo['classes'] == CLASSES
    assert dataset.cumulative_sizes == [2, 5]
    names = [dataset.get_data_info(i)['img_path'].rsplit('/')[-1] for i in range(5)]
    assert names == ['labeled0.jpg', 'labeled1.jpg', *(f'unlabeled{i}.jpg' for i in range(3))]


def test_a_parts_own_setting_goes_first(tmp_path):
    other = tmp_path / 'other'
    other.mkdir()
    dataset = build(tmp_path, unlabeled=part(other, 'unlabeled', 4, data_root=str(other)))
    assert dataset.cumulative_sizes == [2, 6]
    assert dataset.get_data_info(5)['img_path'] == f'{other}/images/unlabeled3.jpg'


def test_labelled_images_alone(tmp_path):
    assert build(tmp_path, unlabeled=None).cumulative_sizes == [2]


@pytest.mark.parametrize('ending', ['', '.json', '-unlabeled.json'])
def test_a_split_names_the_files_of_both_parts(tmp_path, ending):
    part(tmp_path, 'some.1@5', 2)
    part(tmp_path, 'some.1@5-unlabeled', 4)
    parts = {key: dict(type='CocoDataset') for key in ('labeled', 'unlabeled')}
    split = f'some.1@5{ending}'
    dataset = build(tmp_path, split=split, **parts)
    assert dataset.cumulative_sizes == [2, 6]
    names = [Path(dataset.get_data_info(i)['img_path']).stem for i in (0, 5)]
    assert names == ['some.1@50', 'some.1@5-unlabeled3']
    assert build(tmp_path, split=split, **parts | dict(unlabeled=None)).cumulative_sizes == [2]


@pytest.mark.parametrize('name', ['labeled', 'unlabeled'])
def test_files_are_named_once(tmp_path, name):
    parts = {key: dict(type='CocoDataset') for key in ('labeled', 'unlabeled')}
    parts[name] = part(tmp_path, name, 2)
    message = f"dataset has split='some' and {name}.ann_file='{name}.json': remove one of them"
    with pytest.raises(ValueError, match=re.escape(message)):
        build(tmp_path, split='some', **parts)


def test_a_file_of_a_split_that_is_missing_is_named(tmp_path):
    part(tmp_path, 'some', 2)
    bare = dict(type='CocoDataset')
    with pytest.raises(ValueError, match=r'some-unlabeled\.json cannot be read'):
        build(tmp_path, split='some', labeled=bare, unlabeled=bare)


def test_classes_must_agree(tmp_path):
    part(tmp_path, 'other', 3)
    other = dict(type='CocoDataset', ann_file='other.json', metainfo=dict(classes=('dog', 'cat')))
    with pytest.raises(ValueError, match='meta information'):
        build(tmp_path, unlabeled=other)


# ---------------------------------------------------------------- augmentation


class Draw:
    """A pipeline's step that draws from every generator that transforms use."""

    def __call__(self, results):
        return dict(drawn=(random.random(), np.random.rand(), torch.rand(1).item()))


@pytest.fixture
def drawing(tmp_path):
    """Two parts whose samples are what was drawn."""
    return build(tmp_path, pipeline=[Draw()])


def position(place: int) -> tuple[int, ...]:
    return 7, Purpose.AUGMENTATION, 0, place


@pytest.mark.parametrize('index', [0, 4])
def test_randomness_follows_from_the_position(drawing, index):
    drawn = [drawing[SeededIndex(index, position(place))]['drawn'] for place in (1, 2, 1)]
    assert drawn[0] == drawn[2]
    assert all(first != second for first, second in zip(*drawn[:2], strict=True))


def test_it_does_not_touch_the_randomness_outside(drawing):
    def draw(*between):
        random.seed(0)
        np.random.seed(0)
        torch.manual_seed(0)
        for index in between:
            drawing[index]
        return Draw()({})

    assert draw(SeededIndex(1, position(1))) == draw() != draw(1)


@pytest.mark.parametrize('num_workers', [1, 2])
def test_it_is_the_same_in_any_number_of_processes(drawing, num_workers):
    indices = [SeededIndex(index % 5, position(index)) for index in range(12)]
    loader = DataLoader(
        drawing,
        batch_size=None,
        sampler=indices,
        num_workers=num_workers,
    )
    drawn = [tuple(sample['drawn']) for sample in loader]
    assert drawn == [drawing[index]['drawn'] for index in indices]
