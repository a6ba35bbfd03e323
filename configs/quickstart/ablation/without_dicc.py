"""The teacher's classes stand."""

_base_ = '../pldc.py'

model = dict(refiner=None)
