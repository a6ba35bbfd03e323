"""PL-DC (arXiv) on 2 % of COCO. Published mask AP: 29.2 (the paper's Table 1)."""

_base_ = './pldc_mask2former_r50_coco_10pct.py'

train_dataloader = dict(dataset=dict(split='annotations/semi_supervised/instances_train2017.1@2'))
