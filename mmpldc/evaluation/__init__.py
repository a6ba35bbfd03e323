from .pseudo_label_quality import (
    PseudoLabelTable,
    compare_pseudo_labels,
    logits_in_original_frame,
)

__all__ = ['PseudoLabelTable', 'compare_pseudo_labels', 'logits_in_original_frame']
