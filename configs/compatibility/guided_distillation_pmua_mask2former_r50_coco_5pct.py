"""Guided Distillation with PL-DC's PMUA, R50 on 5 % of COCO.

Published mask AP: 31.3 (PL-DC's Table 5, row d).
"""

_base_ = '../guided_distillation/guided_distillation_mask2former_r50_coco_5pct.py'

model = dict(detector=dict(panoptic_head=dict(loss_mask=dict(_delete_=True, **_base_.pmua))))
