"""U2PL on generated scenes: r_h is their 9 classes; a small bank for a small network (ours)."""

_base_ = './_base.py'

model = dict(
    _base_.u2pl,
    segmentor=dict(
        decode_head=dict(type='mmpldc.RepresentationASPPHead', representation_channels=64)
    ),
    contrast=dict(
        _base_.u2pl.contrast, channels=64, high_rank=9, capacity=2048, background_capacity=None
    ),
)
default_hooks = _base_.u2pl_teacher
