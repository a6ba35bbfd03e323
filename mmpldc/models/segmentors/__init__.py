"""Semantic segmentation."""

from .memory_bank import MemoryBank
from .pixel_contrast import PixelContrast, TeacherMaps

__all__ = ['MemoryBank', 'PixelContrast', 'TeacherMaps']
