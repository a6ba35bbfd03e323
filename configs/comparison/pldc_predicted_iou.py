"""PL-DC with PAIS's predicted IoU and its threshold instead of the mask quality."""

_base_ = '../quickstart/pldc.py'

model = dict(
    pseudo_label_filter=dict(mask_quality='predicted_iou', mask_thr=_base_.pais_filter.mask_thr),
    detector=dict(panoptic_head=dict(iou_head=_base_.iou_head)),
)
