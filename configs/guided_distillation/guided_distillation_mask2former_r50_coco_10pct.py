"""Guided Distillation with Mask2Former R50 on 10 % of COCO; 16 + 16 images per step.

Published mask AP: 35.0 (as quoted in PL-DC's Table 1). Train its teacher first:
`default_hooks.mean_teacher.teacher_checkpoint=.../iter_368750.pth` (docs/methods.md).

Batch, repeat factors and views are the released code's: labelled images have only the weak view.
"""

_base_ = [
    '../_base_/default_runtime.py',
    '../_base_/models/guided_distillation_r50.py',
    '../_base_/datasets/coco_semi.py',
    '../_base_/schedules/guided_distillation_368k.py',
]

train_dataloader = dict(
    batch_size=32,
    sampler=dict(batch_size=32, oversample_thr=10.0),  # released code
    dataset=dict(
        split='annotations/semi_supervised/instances_train2017.1@10',
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
