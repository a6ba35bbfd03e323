"""PL-DC with pseudo-masks whose pixels all count the same."""

_base_ = '../quickstart/pldc.py'

model = dict(detector=dict(panoptic_head=dict(loss_mask=dict(_delete_=True, **_base_.unweighted))))
