"""Hooks and loops."""

import mmdet.engine  # noqa: F401

from .hooks import ClassThresholdsLogHook, MeanTeacherHook
from .optimizers import LayerDecayOptimWrapperConstructor, MergedOptimWrapperConstructor
from .runner import TeacherStudentValLoop

__all__ = [
    'ClassThresholdsLogHook',
    'LayerDecayOptimWrapperConstructor',
    'MeanTeacherHook',
    'MergedOptimWrapperConstructor',
    'TeacherStudentValLoop',
]
