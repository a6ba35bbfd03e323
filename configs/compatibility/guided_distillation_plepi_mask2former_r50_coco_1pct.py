"""Guided Distillation with PLePI's product of teacher and CLIP, R50 on 1 % of COCO.

Published mask AP: 23.8 (PL-DC's Table 5, row e).
"""

_base_ = '../guided_distillation/guided_distillation_mask2former_r50_coco_1pct.py'

model = dict(refiner=_base_.plepi)
