"""The baseline: the labelled images alone. Its teacher is the student's EMA."""

_base_ = './_base_shapes.py'

model = dict(unsup_weight=0.0)
train_dataloader = dict(
    batch_size=8,
    num_workers=0,
    sampler=dict(type='InfiniteSampler', shuffle=True),
    dataset=_base_.labeled,
)
