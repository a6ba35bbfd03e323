"""Cityscapes with 744 labelled images; DeepLabv3+ on ResNet-101 at stride 16, hard pixels.

Evaluated in windows of 769 pixels every 513, on images of full size (U2PL).
"""

_base_ = [
    '../_base_/runtime.py',
    '../_base_/datasets/cityscapes.py',
    '../_base_/models/deeplabv3plus_r101.py',
    '../_base_/schedules/cityscapes_200e.py',
    '../_base_/methods.py',
]

model = dict(
    segmentor=dict(
        decode_head=dict(loss_decode=dict(_base_.hard_pixels, _delete_=True)),
        test_cfg=dict(mode='slide', crop_size=_base_.crop_size, stride=(513, 513)),
    ),
    num_classes=19,
    data_preprocessor=dict(data_preprocessor=dict(size=_base_.crop_size)),
)
