"""The baseline: Mask2Former R50 on 5 % of COCO's labels alone; 8 images a step, as in PL-DC.

Published mask AP: 26.0 (PL-DC's Table 1; its baseline's schedule is not printed).
"""

_base_ = [
    '../_base_/default_runtime.py',
    '../_base_/models/mask2former_r50.py',
    '../_base_/datasets/coco_5pct.py',
    '../_base_/schedules/pldc_368k.py',
]
model = dict(unsup_weight=0.0)
train_dataloader = dict(
    batch_size=8,
    sampler=dict(batch_size=8, source_ratio=[1]),
    dataset=dict(unlabeled=None),
)
auto_scale_lr = dict(base_batch_size=8)
