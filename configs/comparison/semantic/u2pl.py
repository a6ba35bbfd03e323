"""U2PL. The branch of its contrast is as wide as the decode head; its bank is small (ours)."""

_base_ = './_base.py'

channels = _base_.model.segmentor.decode_head.channels
model = dict(
    _base_.u2pl,
    segmentor=dict(
        decode_head=dict(type='mmpldc.RepresentationASPPHead', representation_channels=channels)
    ),
    contrast=dict(
        _base_.u2pl.contrast,
        channels=channels,
        high_rank=min(20, _base_.model.num_classes),
        capacity=2048,
        background_capacity=None,
    ),
)
default_hooks = _base_.mean_teacher_teacher
