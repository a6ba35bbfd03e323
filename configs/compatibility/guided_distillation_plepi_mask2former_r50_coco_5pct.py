"""Guided Distillation with PLePI's product of teacher and CLIP, R50 on 5 % of COCO.

Published mask AP: 31.2 (PL-DC's Table 5, row e).
"""

_base_ = '../guided_distillation/guided_distillation_mask2former_r50_coco_5pct.py'

model = dict(refiner=_base_.plepi)
