"""Stand-ins for COCO and Cityscapes as they lie on disk, and small versions of the models."""

import importlib
import json
import runpy
import sys
from pathlib import Path

import cv2
import numpy as np
import open_clip
import pytest
import torch
from mmdet.datasets import CocoDataset
from safetensors.torch import save_file

ROOT = Path(__file__).parents[2]


@pytest.fixture
def compared_methods(monkeypatch):
    """The module of the comparison that writes configs over a base."""
    monkeypatch.syspath_prepend(str(ROOT / 'tools/compare'))
    return importlib.import_module('compared_methods')


def run_tool(name: str, *args) -> None:
    """Run a tool in this process."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, 'argv', [name, *map(str, args)])
        runpy.run_path(str(ROOT / 'tools' / name), run_name='__main__')


def rectangle(rng, height: int, width: int) -> tuple[int, int, int, int]:
    """x, y, w, h of a random box that fills a quarter to a half of each side."""
    w, h = (int(rng.integers(side // 4, side // 2)) for side in (width, height))
    return int(rng.integers(0, width - w)), int(rng.integers(0, height - h)), w, h


def write_image(rng, path: Path, height: int, width: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    assert cv2.imwrite(str(path), rng.integers(0, 256, (height, width, 3), np.uint8))


@pytest.fixture(scope='session')
def coco_root(tmp_path_factory) -> Path:
    """``data/coco``: 100 + 2 annotated and 3 bare images, and the splits of docs/data.md."""
    root, rng = tmp_path_factory.mktemp('coco'), np.random.default_rng(0)
    height, width = 48, 64
    categories = [
        dict(id=i + i // 11, name=name) for i, name in enumerate(CocoDataset.METAINFO['classes'], 1)
    ]
    for name, count in dict(train2017=100, val2017=2, unlabeled2017=3).items():
        images = [
            dict(id=i, file_name=f'{i:012d}.jpg', height=height, width=width)
            for i in range(1, count + 1)
        ]
        annotations = []
        for image in images:
            write_image(rng, root / name / image['file_name'], height, width)
            for _ in range(3):
                x, y, w, h = rectangle(rng, height, width)
                annotations.append(
                    dict(
                        id=len(annotations) + 1,
                        image_id=image['id'],
                        category_id=rng.choice(categories)['id'],
                        bbox=[x, y, w, h],
                        area=w * h,
                        iscrowd=0,
                        segmentation=[[x, y, x + w, y, x + w, y + h, x, y + h]],
                    )
                )
        content = dict(images=images)
        if name != 'unlabeled2017':
            content |= dict(annotations=annotations, categories=categories)
        kind = 'image_info' if name == 'unlabeled2017' else 'instances'
        path = root / f'annotations/{kind}_{name}.json'
        path.parent.mkdir(exist_ok=True)
        path.write_text(json.dumps(content))
    split = [root / 'annotations/instances_train2017.json']
    split += ['--out-dir', root / 'annotations/semi_supervised']
    run_tool('dataset/split.py', *split, '--percent', 1, 2, 5, 10)
    bare = root / 'annotations/image_info_unlabeled2017.json'
    run_tool('dataset/split.py', *split, '--unlabeled', bare)
    return root


@pytest.fixture(scope='session')
def cityscapes_root(tmp_path_factory) -> Path:
    """``data/cityscapes``: 20 + 2 images of 64 x 128 in two towns, converted and split."""
    root, rng = tmp_path_factory.mktemp('cityscapes'), np.random.default_rng(0)
    height, width = 64, 128
    for split, count in dict(train=20, val=2).items():
        for index in range(count):
            town = 'aachen' if index % 2 else 'bochum'
            stem = f'{town}/{town}_{index:06d}_000019'
            write_image(rng, root / f'leftImg8bit/{split}/{stem}_leftImg8bit.png', height, width)
            ids = np.full((height, width), 7, np.uint16)  # road
            for instance in range(3):
                x, y, w, h = rectangle(rng, height, width)
                ids[y : y + h, x : x + w] = rng.choice([24, 26, 33]) * 1000 + instance
            path = root / f'gtFine/{split}/{stem}_gtFine_instanceIds.png'
            path.parent.mkdir(parents=True, exist_ok=True)
            assert cv2.imwrite(str(path), ids)
    run_tool('dataset/convert.py', 'cityscapes', root)
    run_tool(
        'dataset/split.py',
        root / 'annotations/instancesonly_filtered_gtFine_train.json',
        *('--out-dir', root / 'annotations/semi_supervised'),
        *('--percent', 5, 10, 20, 30),
    )
    return root


@pytest.fixture(scope='session')
def clip_folder(tmp_path_factory) -> Path:
    """A CLIP with a small ModifiedResNet, at random, for open_clip's ``local-dir:``."""
    folder = tmp_path_factory.mktemp('clip')
    vision = dict(image_size=64, layers=[1, 1, 1, 1], width=8)
    text = dict(context_length=77, vocab_size=49408, width=32, heads=2, layers=1)
    config = dict(model_cfg=dict(embed_dim=16, vision_cfg=vision, text_cfg=text))
    (folder / 'open_clip_config.json').write_text(json.dumps(config | dict(preprocess_cfg={})))
    with torch.random.fork_rng():
        state = open_clip.create_model(f'local-dir:{folder}').state_dict()
    tensors = {name: tensor.contiguous() for name, tensor in state.items()}
    save_file(tensors, folder / 'open_clip_model.safetensors')
    return folder
