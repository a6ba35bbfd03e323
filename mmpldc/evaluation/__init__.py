from .pseudo_label_quality import PseudoLabelTable, compare_pseudo_labels

__all__ = ['PseudoLabelTable', 'compare_pseudo_labels']
