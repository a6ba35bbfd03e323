"""PL-DC with a threshold that sets itself: it keeps a quarter of the expected objects."""

_base_ = '../quickstart/pldc.py'

model = dict(
    pseudo_label_filter=_base_.certain_filter,
    class_thresholds=_base_.expected_count,
)
