"""PL-DC with PLePI's product of teacher and CLIP in the place of DICC's sum that decays."""

_base_ = '../quickstart/pldc.py'

model = dict(refiner=_base_.product_fusion)
