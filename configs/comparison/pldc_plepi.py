"""PL-DC with PLePI's product of teacher and CLIP instead of DICC's decaying sum."""

_base_ = '../quickstart/pldc.py'

model = dict(refiner=_base_.product_fusion)
