"""PL-DC with pseudo-masks whose pixels all count the same."""

_base_ = '../quickstart/pldc.py'

model = dict(detector=dict(panoptic_head=dict(loss_mask=_base_.unweighted)))
