"""U2PL on VOC, as released: stride 8, multi-grid; one epoch with labels alone."""

_base_ = './_base.py'

model = dict(
    _base_.u2pl,
    backbone=_base_.output_stride_8,
    segmentor=dict(decode_head=_base_.u2pl_head),
    burn_in_iters=570,
)
default_hooks = _base_.u2pl_teacher
