"""PL-DC with Polite Teacher's gate instead of the mask threshold.

Every label whose class passes trains the class, and the mask only if its quality exceeds 0.9.
Without a predicted IoU the gate uses PL-DC's mask quality.
"""

_base_ = '../quickstart/pldc.py'

model = dict(
    pseudo_label_filter=dict(mask_thr=0.0),
    pseudo_label_weights=_base_.polite_gate,
)
