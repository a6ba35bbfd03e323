"""Guided Distillation with Noisy Boundaries' boundary-preserving map, R50 on 1 % of COCO.

Published mask AP: 22.4 (PL-DC's Table 5, row c).
"""

_base_ = '../guided_distillation/guided_distillation_mask2former_r50_coco_1pct.py'

model = dict(detector=dict(panoptic_head=dict(pseudo_pixel_weights=_base_.boundary_map)))
