"""Mean teacher with CutMix on Cityscapes; all pixels count, as in UniMatch's runs on it (ours)."""

_base_ = './_base.py'

model = dict(_base_.mean_teacher, reliability=dict(type='mmpldc.ConfidentPixels', threshold=0.0))
default_hooks = _base_.mean_teacher_teacher
