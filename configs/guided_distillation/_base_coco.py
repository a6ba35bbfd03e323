"""Guided Distillation on COCO: 16 labelled and 16 unlabelled images a step (released code).

Labelled images are seen weak only, and drawn by repeat factors of threshold 10.
"""

_base_ = [
    '../_base_/default_runtime.py',
    '../_base_/models/guided_distillation_r50.py',
    '../_base_/datasets/coco_semi.py',
    '../_base_/schedules/guided_distillation_368k.py',
]

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
