"""The paper's baseline on 5 % of COCO. Published mask AP: 26.0 (PL-DC's Table 1)."""

_base_ = './baseline_mask2former_r50_coco_10pct.py'

train_dataloader = dict(dataset=dict(split='annotations/semi_supervised/instances_train2017.1@5'))
