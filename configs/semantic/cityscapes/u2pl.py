"""U2PL on Cityscapes, as released: stride 8, multi-grid, an auxiliary head, no burn-in."""

_base_ = './_base.py'

model = dict(
    _base_.u2pl,
    backbone=_base_.output_stride_8,
    segmentor=dict(decode_head=_base_.u2pl_head, auxiliary_head=_base_.auxiliary_head),
)
default_hooks = _base_.u2pl_teacher
