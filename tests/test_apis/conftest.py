"""Fixtures: a config with the tiny model and a test set, its checkpoint, and a few images."""

from pathlib import Path

import cv2
import numpy as np
import pytest
from mmengine.config import Config

CLASSES = ('cat', 'dog', 'owl')
SIZES = {'a.png': (48, 60), 'deep/b.jpg': (64, 64), 'deep/c.PNG': (30, 40)}


@pytest.fixture
def cfg(tiny_test_cfg: Config) -> Config:
    return tiny_test_cfg


@pytest.fixture
def checkpoint(tiny_checkpoint: dict) -> dict:
    return tiny_checkpoint


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
