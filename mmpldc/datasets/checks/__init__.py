"""Checks of annotation files, images and splits before training."""

from .annotations import Contents, check_coco
from .classes import check_classes
from .config import DataSet, check_config, sets_of
from .findings import Finding
from .images import find_images
from .leaks import check_leaks
from .pixels import check_content
from .records import load_coco
from .report import Report
from .run import check_datasets, check_run, check_settings
from .structure import check_structure, read_categories

__all__ = [
    'Contents',
    'DataSet',
    'Finding',
    'Report',
    'check_classes',
    'check_coco',
    'check_config',
    'check_content',
    'check_datasets',
    'check_leaks',
    'check_run',
    'check_settings',
    'check_structure',
    'read_categories',
    'find_images',
    'load_coco',
    'sets_of',
]
