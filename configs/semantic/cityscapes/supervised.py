"""The baseline: the labelled images alone, with the steps, the batch and the network of the others.

iMAS's supervised results are shorter: 240 epochs of the labelled images.
"""

_base_ = './_base.py'

model = dict(unsup_weight=0.0)
train_dataloader = dict(
    batch_size=16,
    sampler=dict(batch_size=16, source_ratio=[1]),
    dataset=dict(unlabeled=None),
)
default_hooks = _base_.mean_teacher_teacher
auto_scale_lr = dict(base_batch_size=16)
