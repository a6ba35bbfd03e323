"""Labelled images alone, as many per step as in the other methods. The teacher is the EMA."""

_base_ = '../quickstart/pldc.py'

model = dict(unsup_weight=0.0, refiner=None)
sampler = _base_.train_dataloader.sampler
labeled_batch = sampler.batch_size * sampler.source_ratio[0] // sum(sampler.source_ratio)
train_dataloader = dict(
    batch_size=labeled_batch,
    sampler=dict(batch_size=labeled_batch, source_ratio=[1]),
    dataset=dict(unlabeled=None),
)
auto_scale_lr = dict(base_batch_size=labeled_batch)
