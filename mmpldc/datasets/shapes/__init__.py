"""The generated data set of the quickstart."""

from .dataset import (
    SEMANTIC_CLASSES,
    SEMANTIC_PALETTE,
    make_dataset,
    parallel_map,
    write_coco_split,
)
from .noisy_labels import noisy_labels
from .scene import CLASSES, PALETTE, ShapesSpec, generate_scene

__all__ = [
    'CLASSES',
    'PALETTE',
    'SEMANTIC_CLASSES',
    'SEMANTIC_PALETTE',
    'ShapesSpec',
    'generate_scene',
    'make_dataset',
    'noisy_labels',
    'parallel_map',
    'write_coco_split',
]
