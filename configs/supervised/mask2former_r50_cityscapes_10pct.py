"""Supervised on equal terms: PL-DC's labelled batches, views, steps and EMA; 4 images per step.

10 % of Cityscapes, without a published mask AP. The paper's baseline is
baseline_mask2former_r50_cityscapes_10pct.py. Other shares: docs/configs.md.
"""

_base_ = [
    '../_base_/default_runtime.py',
    '../_base_/models/mask2former_r50.py',
    '../_base_/datasets/cityscapes_semi.py',
    '../_base_/schedules/pldc_cityscapes_180k.py',
]

model = dict(unsup_weight=0.0, **_base_.cityscapes_model)
train_dataloader = dict(
    batch_size=4,
    sampler=dict(batch_size=4, source_ratio=[1]),
    dataset=dict(
        split='annotations/semi_supervised/instancesonly_filtered_gtFine_train.1@10', unlabeled=None
    ),
)
auto_scale_lr = dict(base_batch_size=4)
