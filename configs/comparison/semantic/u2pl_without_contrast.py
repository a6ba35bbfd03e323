"""U2PL without its contrast: entropy percentile and CutMix in half of the steps."""

_base_ = './_base.py'

model = dict(_base_.u2pl, contrast=None)
default_hooks = _base_.mean_teacher_teacher
