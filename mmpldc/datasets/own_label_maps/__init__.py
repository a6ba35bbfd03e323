"""Somebody's own label maps, from any tool: paired, read, repaired, checked, divided."""

from .classes import Classes, read_classes
from .prepare import LabelMaps, prepare_label_maps
from .sets import Part, check_parts, hold_out
from .starter import SIZES, base_text, method_text

__all__ = [
    'SIZES',
    'Classes',
    'LabelMaps',
    'Part',
    'base_text',
    'check_parts',
    'hold_out',
    'method_text',
    'prepare_label_maps',
    'read_classes',
]
