"""The baseline on your own images: the labelled ones alone, with as many steps as the others."""

_base_ = './_base.py'

batch_size = _base_.batch_size // 2
model = dict(unsup_weight=0.0)
train_dataloader = dict(
    batch_size=batch_size,
    sampler=dict(batch_size=batch_size, source_ratio=[1]),
    dataset=dict(unlabeled=None),
)
default_hooks = _base_.mean_teacher_teacher
auto_scale_lr = dict(base_batch_size=batch_size)
