"""The labelled images alone, as many a step as the others see. The teacher is the student's EMA."""

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
