from .class_thresholds_hook import ClassThresholdsLogHook
from .mean_teacher_hook import MeanTeacherHook

__all__ = ['ClassThresholdsLogHook', 'MeanTeacherHook']
