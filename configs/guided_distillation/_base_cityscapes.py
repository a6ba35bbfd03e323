"""Guided Distillation on Cityscapes: 16 labelled and 16 unlabelled images a step (released code).

Labelled images are seen weak only, and drawn by repeat factors of threshold 10. Geometry is
PL-DC's; Mask2Former's distortion of colours in all views is left out. The backbone's batch norms
are trained, on the images of all ranks together (Mask2Former's released config).
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

labeled_views = _base_.weak_labeled_views
unlabeled_views = _base_.guided_distillation_unlabeled_views
train_dataloader = dict(
    batch_size=32,
    sampler=dict(batch_size=32, oversample_thr=10.0),  # released code
    dataset=dict(
        labeled=dict(pipeline=[*_base_.load_labeled, *_base_.geometry, *labeled_views]),
        unlabeled=dict(pipeline=[*_base_.load_unlabeled, *_base_.geometry, *unlabeled_views]),
    ),
)
