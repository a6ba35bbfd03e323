"""PL-DC with Polite Teacher's gate in the place of the mask threshold.

Every label whose class is good enough teaches its class, and its mask if that is better than 0.9.
As there is no predicted IoU, the gate takes PL-DC's mask quality.
"""

_base_ = '../quickstart/pldc.py'

model = dict(
    pseudo_label_filter=dict(mask_thr=0.0),
    pseudo_label_weights=_base_.polite_gate,
)
