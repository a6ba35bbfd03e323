"""PL-DC without CLIP: the teacher's classes stand."""

_base_ = '../quickstart/pldc.py'

model = dict(refiner=None)
