"""PAIS (arXiv 2308.05359) with Mask2Former R50.

Numbers are from its released code (configs/PAIS, on K-Net R50) unless noted. Losses, matching,
points and their weights are Mask2Former's, because K-Net's belong to another head. An experiment
sets its teacher's average by `default_hooks = dict(mean_teacher=dict(keep_rate=0.999,
ramp_up=True))`.
"""

_base_ = './mask2former_r50.py'

model = dict(
    backbone=dict(frozen_stages=1, norm_cfg=dict(requires_grad=True)),
    detector=dict(
        panoptic_head=dict(
            iou_head=_base_.iou_head,
            loss_mask=_base_.unweighted,
        )
    ),
    pseudo_label_filter=_base_.pais_filter,
    pseudo_label_weights=_base_.dynamic_aligning,
    burn_in_iters=0,
    unsup_weight=1.0,
    sup_views=('sup_weak',),
)
