"""Fixtures: a config with the tiny model and a test set, its checkpoint, and a few images."""

from copy import deepcopy
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from mmdet.registry import MODELS
from mmengine.config import Config

CLASSES = ('cat', 'dog', 'owl')
SIZES = {'a.png': (48, 60), 'deep/b.jpg': (64, 64), 'deep/c.PNG': (30, 40)}


@pytest.fixture
def cfg(tiny_model_cfg) -> Config:
    """Images are resized to 64 x 64 with their ratio kept, and padded to a multiple of 32."""
    pipeline = [
        dict(type='LoadImageFromFile'),
        dict(type='Resize', scale=(64, 64), keep_ratio=True),
        dict(
            type='PackDetInputs',
            meta_keys=('img_id', 'img_path', 'ori_shape', 'img_shape', 'scale_factor'),
        ),
    ]
    dataset = dict(
        type='CocoDataset',
        ann_file='missing.json',
        metainfo=dict(classes=CLASSES),
        pipeline=pipeline,
        test_mode=True,
    )
    return Config(
        dict(
            default_scope='mmdet',
            model=deepcopy(tiny_model_cfg),
            test_dataloader=dict(
                batch_size=1, sampler=dict(type='DefaultSampler', shuffle=False), dataset=dataset
            ),
            test_evaluator=dict(type='CocoMetric', ann_file='missing.json', metric='segm'),
            test_cfg=dict(type='TestLoop'),
            vis_backends=[dict(type='TensorboardVisBackend')],
        )
    )


@pytest.fixture
def checkpoint(cfg) -> dict:
    """Of a model whose teacher and student differ."""
    torch.manual_seed(1)
    model = MODELS.build(deepcopy(cfg.model))
    for parameter in model.teacher.parameters():
        parameter.data.add_(0.1 * torch.randn_like(parameter))
    meta = dict(dataset_meta=dict(classes=CLASSES, palette=[(1, 2, 3), (4, 5, 6), (7, 8, 9)]))
    return dict(state_dict=model.state_dict(), meta=meta, optimizer=dict(state={0: 1}))


@pytest.fixture
def folder(tmp_path) -> Path:
    """Three images of different sizes, two of them in a subfolder."""
    generator = np.random.default_rng(0)
    root = tmp_path / 'images'
    (root / 'deep').mkdir(parents=True)
    for name, (height, width) in SIZES.items():
        coarse = generator.integers(0, 256, (6, 6, 3), np.uint8)
        cv2.imwrite(str(root / name), cv2.resize(coarse, (width, height)))
    return root
