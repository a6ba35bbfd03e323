"""Guided Distillation on 20 % of Cityscapes. Published mask AP: 33.1 (PL-DC's Table 2)."""

_base_ = './guided_distillation_mask2former_r50_cityscapes_10pct.py'

train_dataloader = dict(
    dataset=dict(split='annotations/semi_supervised/instancesonly_filtered_gtFine_train.1@20')
)
