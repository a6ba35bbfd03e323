"""PAIS on 5 % of COCO. Published mask AP: 29.3 (PL-DC's Table 1), with another model."""

_base_ = './pais_mask2former_r50_coco_10pct.py'

train_dataloader = dict(dataset=dict(split='annotations/semi_supervised/instances_train2017.1@5'))
