"""PL-DC with equal weights for all pixels of pseudo-masks."""

_base_ = '../quickstart/pldc.py'

model = dict(detector=dict(panoptic_head=dict(loss_mask=_base_.unweighted)))
