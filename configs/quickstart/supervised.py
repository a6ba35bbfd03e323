"""Baseline: the labelled images alone. Its teacher is the student's EMA."""

_base_ = './_base_shapes.py'

model = dict(unsup_weight=0.0)
train_dataloader = dict(
    batch_size=8,
    num_workers=0,
    sampler=dict(type='mmpldc.ResumableMultiSourceSampler', batch_size=8, source_ratio=[1]),
    dataset=dict(type='mmpldc.SemiDataset', labeled=_base_.labeled),
)
