"""Supervised on all of COCO. Published mask AP: 43.5 (PL-DC's Table 1), by an unknown schedule."""

_base_ = './mask2former_r50_coco_10pct.py'

train_dataloader = dict(dataset=dict(split=None, labeled=_base_.all_of_coco['labeled']))
