"""PL-DC (AAAI-26) on 1 % of COCO. Published mask AP: 25.2 (AAAI-26)."""

_base_ = './pldc_aaai_mask2former_r50_coco_10pct.py'

train_dataloader = dict(dataset=dict(split='annotations/semi_supervised/instances_train2017.1@1'))
param_scheduler = dict(milestones=[213875])  # released: earlier than at other shares
