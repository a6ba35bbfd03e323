"""Core shared by all methods: a student, its teacher and the position of the run."""

from .base import TeacherStudent, as_teacher_student
from .joint_forward import forward_batches, refuse_training_norms, split_outputs
from .pseudo_label_counter import LabelCounts, PseudoLabelCounter
from .shared_geometry import check_views

__all__ = [
    'LabelCounts',
    'PseudoLabelCounter',
    'TeacherStudent',
    'as_teacher_student',
    'check_views',
    'forward_batches',
    'refuse_training_norms',
    'split_outputs',
]
