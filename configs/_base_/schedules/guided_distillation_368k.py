"""Guided Distillation's COCO schedule: 368,750 iterations of 16 + 16 images.

It is Mask2Former's (its released Base-COCO-InstanceSegmentation.yaml), for teacher and student.
Learning rate and clipping equal PL-DC's.
"""

_base_ = './pldc_368k.py'

optim_wrapper = dict(
    optimizer=dict(weight_decay=0.05),
    paramwise_cfg=dict(custom_keys=dict(backbone=dict(lr_mult=0.1, decay_mult=1.0))),
)
param_scheduler = dict(milestones=[327778, 355092])
auto_scale_lr = dict(base_batch_size=32)
