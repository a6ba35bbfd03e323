"""Mean teacher with CutMix on VOC: the baseline of the semi-supervised methods (ours)."""

_base_ = './_base.py'

model = _base_.mean_teacher
default_hooks = _base_.mean_teacher_teacher
