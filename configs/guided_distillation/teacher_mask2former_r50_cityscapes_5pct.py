"""Guided Distillation's teacher, R50 on 5 % of Cityscapes' labels alone; 16 images a step.

Without a published mask AP: Guided Distillation reports 23.0 with the student that it guides.
"""

_base_ = './guided_distillation_mask2former_r50_cityscapes_5pct.py'

model = _base_.teacher_model
custom_hooks = _base_.teacher_hooks
train_dataloader = _base_.teacher_dataloader
auto_scale_lr = dict(base_batch_size=16)
