"""The threshold by expected count, with annotated objects pasted into unlabelled images."""

_base_ = '../../quickstart/pldc.py'

model = dict(
    pseudo_label_filter=_base_.certain_filter,
    class_thresholds=_base_.expected_count,
    copy_paste=_base_.paste_annotated,
)
