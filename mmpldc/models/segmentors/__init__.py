"""Semantic segmentation; ``semi_segmentor``, which needs mmsegmentation, is imported when built."""

from .memory_bank import MemoryBank
from .mixing import ClassMix, CutMix, CutOut
from .pixel_contrast import PixelContrast, TeacherMaps
from .weak_to_strong import WeakToStrongLoss

__all__ = [
    'ClassMix',
    'CutMix',
    'CutOut',
    'MemoryBank',
    'PixelContrast',
    'TeacherMaps',
    'WeakToStrongLoss',
]
