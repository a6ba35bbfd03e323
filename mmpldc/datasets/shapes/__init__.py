"""The generated data set of the quickstart."""

from .dataset import make_dataset, parallel_map, write_coco_split
from .scene import CLASSES, PALETTE, ShapesSpec, generate_scene

__all__ = [
    'CLASSES',
    'PALETTE',
    'ShapesSpec',
    'generate_scene',
    'make_dataset',
    'parallel_map',
    'write_coco_split',
]
