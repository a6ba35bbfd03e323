"""The baseline: the labelled scenes alone, with as many steps as the others."""

_base_ = './_base.py'

model = dict(unsup_weight=0.0)
train_dataloader = dict(
    batch_size=8,
    sampler=dict(batch_size=8, source_ratio=[1]),
    dataset=dict(unlabeled=None),
)
default_hooks = _base_.mean_teacher_teacher
auto_scale_lr = dict(base_batch_size=8)
