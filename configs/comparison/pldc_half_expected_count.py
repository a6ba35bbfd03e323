"""PL-DC with a threshold that sets itself: half of the expected objects (own data)."""

_base_ = '../quickstart/pldc.py'

model = dict(
    pseudo_label_filter=_base_.certain_filter,
    class_thresholds=_base_.half_expected_count,
)
