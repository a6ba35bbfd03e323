"""U2PL on your own images; ranks of negatives by the number of classes.

r_l is 3, or 1 with two classes (its authors' advice) or three (ours); r_h is 20, at most the number
of classes. The bank is a third of VOC's (ours).
"""

_base_ = './_base.py'

model = dict(
    _base_.u2pl,
    segmentor=dict(decode_head=dict(_base_.u2pl_head, dilations=(1, 6, 12, 18))),
    contrast=dict(
        _base_.u2pl.contrast,
        low_rank=1 if _base_.num_classes < 4 else 3,
        high_rank=min(20, _base_.num_classes),
        capacity=10_000,
        background_capacity=None,
    ),
)
default_hooks = _base_.u2pl_teacher
