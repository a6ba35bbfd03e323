"""Labelled images alone, as many per step as in the other methods. The teacher is the EMA.

As all methods here it is over a base that tools/compare/compare_methods.py --base may replace by
another one with the parts of configs/semantic/_base_/methods.py. Network, data, batch, steps,
optimiser, burn-in and keep rate are the base's for all. See docs/semantic_comparison.md.
"""

_base_ = './_base.py'

model = dict(unsup_weight=0.0)
sampler = _base_.train_dataloader.sampler
labeled_batch = sampler.batch_size * sampler.source_ratio[0] // sum(sampler.source_ratio)
train_dataloader = dict(
    batch_size=labeled_batch,
    sampler=dict(batch_size=labeled_batch, source_ratio=[1]),
    dataset=dict(unlabeled=None),
)
default_hooks = _base_.mean_teacher_teacher
auto_scale_lr = dict(base_batch_size=labeled_batch)
