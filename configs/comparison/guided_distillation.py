"""Guided Distillation: a trained teacher guides a burn-in as long as the base's.

The teacher is the supervised run's EMA (tools/compare/compare_methods.py sets its checkpoint).
As released, lambda is 2. Labelled images are drawn as in the base, without repeat factors.
"""

_base_ = '../quickstart/pldc.py'

model = dict(
    class_thresholds=None,
    refiner=None,
    pseudo_label_filter=_base_.guided_distillation_filter,
    detector=dict(panoptic_head=dict(loss_mask=_base_.unweighted)),
    burn_in='guided',
    unsup_weight=2.0,
    train_no_object_without_labels=True,
)
