"""PAIS (arXiv 2308.05359) with Mask2Former R50.

Numbers are its released code's (configs/PAIS, on K-Net R50) unless noted. Losses, matching, points
and their weights are Mask2Former's: K-Net's are of another head.
"""

_base_ = './mask2former_r50.py'

model = dict(
    backbone=dict(frozen_stages=1, norm_cfg=dict(requires_grad=True)),
    detector=dict(
        panoptic_head=dict(
            iou_head=dict(type='mmpldc.MaskIoUHead'),
            pseudo_label_weights=dict(
                type='mmpldc.DynamicAligningWeights',
                class_scale=12.0,
                mask_scale=2.5,
                saturation=0.5,
                exponent=4.0,
                no_object_weight=0.1225,  # 0.35 ** 2
            ),
            loss_mask=dict(  # every pixel of a pseudo-mask counts the same
                _delete_=True, type='CrossEntropyLoss', use_sigmoid=True, loss_weight=5.0
            ),
        )
    ),
    pseudo_label_filter=dict(
        class_thr=0.35, mask_thr=0.30, mask_quality='predicted_iou', min_area=0
    ),
    burn_in_iters=0,
    unsup_weight=1.0,
    sup_views=('sup_weak',),
)
custom_hooks = [dict(type='mmpldc.MeanTeacherHook', keep_rate=0.999, ramp_up=True)]
