"""A small data set without faults, and a config that trains on it."""

import copy
import json
import shutil
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
from mmengine.config import Config
from PIL import Image

from mmpldc.datasets.shapes import CLASSES

SIDE = 64


def write(path: Path, coco: object) -> None:
    path.write_text(json.dumps(coco))


def add_unusual_images(root: Path) -> None:
    """Grey and palette PNGs, polygons and a crowd: all of them allowed."""
    path = root / 'annotations/labeled.json'
    coco = json.loads(path.read_text())
    grey = np.full((40, 50), 90, np.uint8)
    cv2.imwrite(str(root / 'images/train/grey.png'), grey)
    Image.fromarray(grey).convert('P').save(root / 'images/train/palette.png')
    for name, identity in ('grey.png', 901), ('palette.png', 902):
        coco['images'].append(dict(id=identity, file_name=name, height=40, width=50))
    shared = dict(category_id=1, image_id=901)
    triangle = [10.0, 10, 20, 10, 10, 30.5]
    coco['annotations'] += [
        dict(
            id=901, iscrowd=0, segmentation=[triangle], bbox=[10, 10, 10, 20.5], area=102, **shared
        ),
        # rows 2 to 4 of columns 1 and 2
        dict(
            id=902,
            iscrowd=1,
            segmentation=dict(size=[40, 50], counts=[42, 3, 37, 3, 40 * 50 - 85]),
            bbox=[1, 2, 2, 3],
            area=6,
            **shared,
        ),
        # an outline through pixel centres is a pixel smaller than the box around the pixels
        dict(
            id=903,
            iscrowd=0,
            segmentation=[[5, 5, 6, 5, 6, 6, 5, 6]],
            bbox=[5, 5, 2, 2],
            area=4,
            category_id=2,
            image_id=902,
        ),
    ]
    write(path, coco)


@pytest.fixture(scope='session')
def sound_data(make_scenes) -> Path:
    """14 + 2 labelled and 8 unlabelled images, 4 to validate on and 3 to test on.

    Each split numbers its images from 1, so that their names are those of other splits.
    """
    root = make_scenes(SIDE, num_labeled=14, num_train=22, num_tuning=4, num_test=3)
    add_unusual_images(root)
    return root


def make_config(root: Path) -> Config:
    """A semi-supervised config, without what the checks do not read."""
    shared = dict(type='CocoDataset', data_root=str(root), metainfo=dict(classes=CLASSES))

    def part(name: str, folder: str, **settings) -> dict:
        return dict(
            ann_file=f'annotations/{name}.json',
            data_prefix=dict(img=f'images/{folder}/'),
            **shared,
            **settings,
        )

    config = dict(
        model=dict(num_classes=len(CLASSES)),
        train_dataloader=dict(
            dataset=dict(
                type='mmpldc.SemiDataset',
                labeled=part('labeled', 'train', filter_cfg=dict(filter_empty_gt=True)),
                unlabeled=part('unlabeled', 'train', filter_cfg=dict(filter_empty_gt=False)),
            )
        ),
        val_dataloader=dict(dataset=part('tuning', 'tuning', test_mode=True)),
        test_dataloader=dict(dataset=part('test', 'test', test_mode=True)),
    )
    for role, name in ('val', 'tuning'), ('test', 'test'):
        ann_file = str(root / f'annotations/{name}.json')
        config[f'{role}_evaluator'] = dict(type='CocoMetric', ann_file=ann_file)
    return Config(config)


class World:
    """A data set on disk that a test breaks, and its config."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.cfg = make_config(root)

    @property
    def labeled(self) -> Config:
        return self.cfg.train_dataloader.dataset.labeled

    @property
    def unlabeled(self) -> Config:
        return self.cfg.train_dataloader.dataset.unlabeled

    @property
    def val(self) -> Config:
        return self.cfg.val_dataloader.dataset

    def path(self, name: str) -> Path:
        return self.root / f'annotations/{name}.json'

    def image(self, name: str, folder: str = 'train') -> Path:
        return self.root / 'images' / folder / name

    def read(self, name: str) -> dict:
        return json.loads(self.path(name).read_text())

    def edit(self, name: str, change: Callable[[dict], object]) -> None:
        """Change the content of an annotation file in place."""
        coco = self.read(name)
        change(coco)
        write(self.path(name), coco)


@pytest.fixture
def world(sound_data, tmp_path) -> World:
    """A copy of the sound data."""
    root = tmp_path / 'shapes'
    shutil.copytree(sound_data, root)
    return World(root)


@pytest.fixture
def coco() -> dict:
    """A labelled image of 100 x 80 with a square of 30 x 20 at (10, 20), and another image."""
    square = [10, 20, 40, 20, 40, 40, 10, 40]
    annotation = dict(
        id=1,
        image_id=1,
        category_id=1,
        bbox=[10, 20, 30, 20],
        area=600,
        iscrowd=0,
        segmentation=[square],
    )
    return copy.deepcopy(
        dict(
            images=[
                dict(id=1, file_name='a.jpg', width=100, height=80),
                dict(id=2, file_name='b.jpg', width=100, height=80),
            ],
            annotations=[annotation],
            categories=[dict(id=1, name='square'), dict(id=2, name='disc')],
        )
    )
