"""The threshold by expected count, with masks cut anew at the edges of the image (GrabCut)."""

_base_ = '../../quickstart/pldc.py'

model = dict(
    pseudo_label_filter=_base_.certain_filter,
    class_thresholds=_base_.expected_count,
    mask_refiner=_base_.grab_cut,
)
