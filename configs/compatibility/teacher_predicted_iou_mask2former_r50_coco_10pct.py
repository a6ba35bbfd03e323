"""Teacher for guided_distillation_predicted_iou on 10 % of COCO, trained to predict IoUs."""

_base_ = '../guided_distillation/teacher_mask2former_r50_coco_10pct.py'

model = dict(detector=dict(panoptic_head=dict(iou_head=_base_.iou_head)))
