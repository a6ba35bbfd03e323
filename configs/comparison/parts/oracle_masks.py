"""Oracle: PL-DC's labels get the true masks. It reads the hidden annotations."""

_base_ = '../../quickstart/pldc.py'

model = dict(
    mask_refiner=dict(type='mmpldc.HiddenLabelRefiner', ann_file=_base_.hidden, masks=True)
)
