"""Oracle: the teacher's wrong labels are removed. It reads the hidden annotations."""

_base_ = './photographs.py'

model = dict(
    pseudo_label_filter=_base_.certain_filter,
    class_thresholds=_base_.expected_count,
    refiner=dict(
        type='mmpldc.HiddenLabelRefiner',
        ann_file=_base_.hidden,
        drop_wrong=True,
    ),
)
