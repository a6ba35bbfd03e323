"""PL-DC: the same labelled batch, and 8 unlabelled images beside it."""

_base_ = './_base_shapes.py'

train_dataloader = dict(
    batch_size=16,
    num_workers=0,
    sampler=dict(type='mmpldc.ResumableMultiSourceSampler', batch_size=16, source_ratio=[1, 1]),
    dataset=dict(type='ConcatDataset', datasets=[_base_.labeled, _base_.unlabeled]),
)
