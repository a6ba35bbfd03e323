"""PL-DC with one threshold on the coupled score: 0.765 = 0.85 * 0.90, as in its Table 3."""

_base_ = '../quickstart/pldc.py'

model = dict(class_thresholds=None, pseudo_label_filter=_base_.coupled_filter)
