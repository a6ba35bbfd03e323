"""PAIS: predicted IoUs, losses weighted by label quality, no burn-in, a ramped keep rate."""

_base_ = '../quickstart/pldc.py'

model = dict(
    class_thresholds=None,
    refiner=None,
    pseudo_label_filter=_base_.pais_filter,
    pseudo_label_weights=_base_.dynamic_aligning,
    detector=dict(
        panoptic_head=dict(
            iou_head=_base_.iou_head,
            loss_mask=_base_.unweighted,
        )
    ),
    burn_in_iters=0,
)
default_hooks = dict(mean_teacher=dict(ramp_up=True))
