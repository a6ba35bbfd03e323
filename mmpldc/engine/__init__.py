"""Hooks and loops."""

import mmdet.engine  # noqa: F401

from .hooks import MeanTeacherHook
from .runner import TeacherStudentValLoop

__all__ = ['MeanTeacherHook', 'TeacherStudentValLoop']
