"""Generated scenes, a small network, and what the methods on them have in common."""

_base_ = [
    '../_base_/runtime.py',
    '../_base_/datasets/shapes.py',
    '../_base_/models/deeplabv3plus_tiny.py',
    '../_base_/schedules/shapes_2k.py',
]

default_hooks = dict(
    mean_teacher=dict(keep_rate=0.99, ramp_up='updates'),
    checkpoint=dict(interval=500),
)
