"""Hooks and loops."""

import mmdet.engine  # noqa: F401

from .hooks import ClassThresholdsLogHook, MeanTeacherHook
from .runner import TeacherStudentValLoop

__all__ = ['ClassThresholdsLogHook', 'MeanTeacherHook', 'TeacherStudentValLoop']
