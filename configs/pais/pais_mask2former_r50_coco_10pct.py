"""PAIS with Mask2Former R50 on 10 % of COCO; 4 + 8 images per step, the release's 4 processes of 3.

Published mask AP: 31.0 (as quoted in PL-DC's Table 1), with another model.

Labelled images have only the weak view. Geometry and colours are PL-DC's: the two views of an image
share their geometry here, while PAIS draws it for each view and warps the masks.
"""

_base_ = [
    '../_base_/default_runtime.py',
    '../_base_/models/pais_r50.py',
    '../_base_/datasets/coco_semi.py',
    '../_base_/schedules/pais_220k.py',
]

train_dataloader = dict(
    batch_size=12,
    sampler=dict(batch_size=12, source_ratio=[1, 2]),
    dataset=dict(
        split='annotations/semi_supervised/instances_train2017.1@10',
        labeled=dict(pipeline=[*_base_.load_labeled, *_base_.geometry, *_base_.weak_labeled_views]),
    ),
)
default_hooks = dict(mean_teacher=dict(keep_rate=0.999, ramp_up=True))  # released code
