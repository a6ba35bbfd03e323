"""PL-DC with weak labels from the burn-in on."""

_base_ = '../../quickstart/pldc.py'

model = dict(weak_labels=_base_.weak_labels)
train_dataloader = dict(dataset=dict(weak_labels=_base_.weak))
