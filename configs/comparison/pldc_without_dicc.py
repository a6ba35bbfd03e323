"""PL-DC without CLIP: labels keep the teacher's classes."""

_base_ = '../quickstart/pldc.py'

model = dict(refiner=None)
