"""Converters of other annotation formats into COCO-format dicts."""

from .cityscapes import convert_cityscapes
from .coco import summary
from .images import convert_images
from .instance_folders import convert_instance_folders
from .instance_masks import convert_label_maps
from .labelme import convert_labelme
from .plain import write_plain_images
from .via import convert_via
from .voc import convert_voc
from .yolo import convert_yolo
from .yolo_classes import read_class_names

__all__ = [
    'convert_cityscapes',
    'convert_images',
    'convert_instance_folders',
    'convert_label_maps',
    'convert_labelme',
    'convert_via',
    'convert_voc',
    'convert_yolo',
    'read_class_names',
    'summary',
    'write_plain_images',
]
