"""PASCAL VOC 2012 with 1,464 labelled images; DeepLabv3+ on ResNet-101 at stride 16.

Another share of labels, or ResNet-50, is an option: docs/semantic.md has the table.
"""

_base_ = [
    '../_base_/runtime.py',
    '../_base_/datasets/voc.py',
    '../_base_/models/deeplabv3plus_r101.py',
    '../_base_/schedules/voc_80e.py',
    '../_base_/methods.py',
]
