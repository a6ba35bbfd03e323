"""Guided Distillation with PL-DC's PMUA, R50 on 10 % of COCO.

Published mask AP: 35.7; on 1 % 23.1, on 5 % 31.3 (PL-DC's Table 5, row d).
"""

_base_ = '../guided_distillation/guided_distillation_mask2former_r50_coco_10pct.py'

model = dict(detector=dict(panoptic_head=dict(loss_mask=dict(_delete_=True, **_base_.pmua))))
