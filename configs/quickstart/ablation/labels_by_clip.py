"""CLIP alone decides about classes, throughout: its weight is 1."""

_base_ = '../pldc.py'

model = dict(refiner=dict(initial_weight=1.0, final_weight=1.0))
