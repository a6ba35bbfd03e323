"""The paper's baseline: Mask2Former R50 on labels of 10 % of COCO; 8 images per step.

Published mask AP: 30.5 (PL-DC's Table 1). As released: 73,750 steps, only the weak view, no EMA
(the teacher equals the student). On PL-DC's terms: mask2former_r50_coco_10pct.py.
"""

_base_ = [
    '../_base_/default_runtime.py',
    '../_base_/models/mask2former_r50.py',
    '../_base_/datasets/coco_semi.py',
    '../_base_/schedules/pldc_73k.py',
]

model = dict(unsup_weight=0.0, sup_views=('sup_weak',))
train_dataloader = dict(
    batch_size=8,
    sampler=dict(batch_size=8, source_ratio=[1]),
    dataset=dict(
        split='annotations/semi_supervised/instances_train2017.1@10',
        labeled=dict(pipeline=[*_base_.load_labeled, *_base_.geometry, *_base_.weak_labeled_views]),
        unlabeled=None,
    ),
)
default_hooks = dict(mean_teacher=dict(keep_rate=0.0))
val_cfg = dict(student_interval=0)
