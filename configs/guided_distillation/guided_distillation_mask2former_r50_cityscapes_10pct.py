"""Guided Distillation with Mask2Former R50 on 10 % of Cityscapes; 16 + 16 images per step.

Published mask AP: 30.8 (as quoted in PL-DC's Table 2). Train its teacher first:
`default_hooks.mean_teacher.teacher_checkpoint=.../iter_90000.pth` (docs/methods.md).

Batch, repeat factors and views are the released code's: labelled images have only the weak view.

Geometry is PL-DC's; Mask2Former's colour distortion in all views is left out. The backbone's batch
norms are trained, with statistics over the images of all ranks (Mask2Former's released config).
"""

_base_ = [
    '../_base_/default_runtime.py',
    '../_base_/models/guided_distillation_r50.py',
    '../_base_/datasets/cityscapes_semi.py',
    '../_base_/schedules/guided_distillation_cityscapes_90k.py',
]

model = dict(
    backbone=dict(norm_cfg=dict(requires_grad=True), norm_eval=False),
    joint_forward=False,
    **_base_.cityscapes_model,
)
sync_bn = 'torch'
train_dataloader = dict(
    batch_size=32,
    sampler=dict(batch_size=32, oversample_thr=10.0),  # released code
    dataset=dict(
        split='annotations/semi_supervised/instancesonly_filtered_gtFine_train.1@10',
        labeled=dict(pipeline=[*_base_.load_labeled, *_base_.geometry, *_base_.weak_labeled_views]),
        unlabeled=dict(
            pipeline=[
                *_base_.load_unlabeled,
                *_base_.geometry,
                *_base_.guided_distillation_unlabeled_views,
            ]
        ),
    ),
)
