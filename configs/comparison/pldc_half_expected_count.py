"""PL-DC with a threshold that sets itself: half of the expected objects are kept (own data)."""

_base_ = '../quickstart/pldc.py'

model = dict(
    pseudo_label_filter=_base_.certain_filter,
    class_thresholds=dict(_base_.expected_count, share=0.5, ceiling=0.68),
)
