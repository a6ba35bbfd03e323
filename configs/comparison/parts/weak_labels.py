"""The threshold by expected count, with weak labels from the burn-in on."""

_base_ = '../../quickstart/pldc.py'

model = dict(
    pseudo_label_filter=_base_.certain_filter,
    class_thresholds=_base_.expected_count,
    weak_labels=_base_.weak_labels,
)
train_dataloader = dict(dataset=dict(weak_labels=_base_.weak))
