"""Oracle: the teacher's labels get the true masks. It reads the hidden annotations."""

_base_ = '../../quickstart/pldc.py'

model = dict(
    pseudo_label_filter=_base_.certain_filter,
    class_thresholds=_base_.expected_count,
    mask_refiner=dict(
        type='mmpldc.HiddenLabelRefiner',
        ann_file=_base_.hidden,
        masks=True,
    ),
)
