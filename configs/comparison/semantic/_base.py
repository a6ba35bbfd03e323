"""The default base: generated scenes, a thin network and a run that is short enough for a laptop.

Half as wide as that of configs/semantic/shapes, with 600 steps. Labels alone for half of them: the
network starts from random weights, and a teacher that knows only the background teaches no more.
The learning rate is that of the better of two supervised runs of seed 0 on the tuning split: 1e-3
reached an mIoU of 12.0, 5e-3 one of 46.1.
"""

_base_ = '../../semantic/shapes/_base.py'

max_iters = 600
model = dict(
    backbone=dict(base_channels=16, stem_channels=16),
    segmentor=dict(
        decode_head=dict(in_channels=128, channels=32, c1_in_channels=16, c1_channels=16)
    ),
    burn_in_iters=300,
)
train_cfg = dict(max_iters=max_iters, val_interval=150)
optim_wrapper = dict(optimizer=dict(lr=5e-3))
param_scheduler = [
    dict(type='LinearLR', start_factor=0.01, by_epoch=False, begin=0, end=30),
    dict(type='PolyLR', power=0.9, eta_min=0.0, by_epoch=False, begin=30, end=max_iters),
]
default_hooks = dict(checkpoint=dict(interval=150))
