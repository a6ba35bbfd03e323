"""Guided Distillation's teacher, R50 on the labels of 10 % of Cityscapes alone; 16 images per step.

Without a published mask AP. Other shares: `train_dataloader.dataset.split=...` (docs/configs.md).
"""

_base_ = './guided_distillation_mask2former_r50_cityscapes_10pct.py'

model = _base_.teacher_model
train_dataloader = _base_.teacher_dataloader
default_hooks = dict(mean_teacher=dict(keep_rate=0.0))  # no average
auto_scale_lr = dict(base_batch_size=16)
