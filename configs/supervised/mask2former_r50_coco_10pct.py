"""Supervised on equal terms: PL-DC's labelled batches, views, steps and EMA; 8 images per step.

10 % of COCO, without a published mask AP. The paper's baseline is
baseline_mask2former_r50_coco_10pct.py. Other shares: docs/configs.md.
"""

_base_ = [
    '../_base_/default_runtime.py',
    '../_base_/models/mask2former_r50.py',
    '../_base_/datasets/coco_semi.py',
    '../_base_/schedules/pldc_368k.py',
]

model = dict(unsup_weight=0.0)
train_dataloader = dict(
    batch_size=8,
    sampler=dict(batch_size=8, source_ratio=[1]),
    dataset=dict(split='annotations/semi_supervised/instances_train2017.1@10', unlabeled=None),
)
auto_scale_lr = dict(base_batch_size=8)
