"""Generated scenes, a small network, and the schedule that all methods on them share."""

_base_ = [
    '../_base_/runtime.py',
    '../_base_/datasets/shapes.py',
    '../_base_/models/deeplabv3plus_tiny.py',
    '../_base_/schedules/shapes_2k.py',
    '../_base_/methods.py',
]

default_hooks = dict(checkpoint=dict(interval=500))
