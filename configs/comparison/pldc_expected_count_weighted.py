"""PL-DC with a threshold that sets itself; better labels count more, uncertain ones are ignored."""

_base_ = '../quickstart/pldc.py'

model = dict(
    pseudo_label_filter=_base_.certain_filter,
    class_thresholds=_base_.expected_count,
    pseudo_label_weights=_base_.certain_weights,
    ignore_uncertain=True,
)
