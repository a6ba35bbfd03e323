"""PAIS with Mask2Former R50 on 10 % of COCO; 4 + 8 images a step, its release's 4 processes of 3.

Published mask AP: 31.0 (as PL-DC's Table 1 has it), of another model.

Labelled images are seen weak only. Geometry and colours are PL-DC's: both views of an image must
share their geometry here, PAIS draws it for each and warps the masks.
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
