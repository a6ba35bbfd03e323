"""Mean teacher with CutMix on generated scenes."""

_base_ = './_base.py'

model = _base_.mean_teacher
default_hooks = _base_.mean_teacher_teacher
