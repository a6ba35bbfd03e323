"""The baseline: Mask2Former R50 on 30 % of Cityscapes' labels alone; 4 images a step, as in PL-DC.

Published mask AP: 29.6 (PL-DC's Table 2; its baseline's schedule is not printed).
"""

_base_ = [
    '../_base_/default_runtime.py',
    '../_base_/models/mask2former_r50.py',
    '../_base_/datasets/cityscapes_30pct.py',
    '../_base_/schedules/pldc_cityscapes_180k.py',
]
model = dict(unsup_weight=0.0, **_base_.cityscapes_model)
train_dataloader = dict(
    batch_size=4,
    sampler=dict(batch_size=4, source_ratio=[1]),
    dataset=dict(unlabeled=None),
)
auto_scale_lr = dict(base_batch_size=4)
