"""The core that every method shares: a student, its teacher and what passes between them."""

from .joint_forward import forward_batches, refuse_training_norms
from .pseudo_label_watch import LabelCounts, PseudoLabelWatch
from .shared_geometry import check_views

__all__ = [
    'LabelCounts',
    'PseudoLabelWatch',
    'check_views',
    'forward_batches',
    'refuse_training_norms',
]
