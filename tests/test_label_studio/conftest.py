"""A running Label Studio, and photos that it serves."""

from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import pytest
from label_studio import LabelStudio, NoLabelStudio, label_studio

NAMES = ('a b.png', 'deep/ü.jpg', 'deep/c.png', 'd.png', 'e.png', 'labelled.png')


@pytest.fixture(scope='session')
def document_root(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp('documents')


@pytest.fixture(scope='session')
def studio(tmp_path_factory, document_root) -> Iterator[LabelStudio]:
    """Skipped if Label Studio can be neither found nor installed."""
    try:
        with label_studio(tmp_path_factory.mktemp('studio'), document_root) as running:
            yield running
    except NoLabelStudio as reason:
        pytest.skip(f'no Label Studio: {reason}')


@pytest.fixture
def photos(document_root, tmp_path) -> Path:
    """Six photos of different sizes, below the document root."""
    folder = document_root / f'photos of {tmp_path.name}'
    (folder / 'deep').mkdir(parents=True)
    generator = np.random.default_rng(2)
    for number, name in enumerate(NAMES):
        coarse = generator.integers(0, 256, (6, 6, 3), np.uint8)
        cv2.imwrite(str(folder / name), cv2.resize(coarse, (60 + number, 48)))
    return folder
