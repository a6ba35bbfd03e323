"""PL-DC with annotated objects pasted into unlabelled images."""

_base_ = '../../quickstart/pldc.py'

model = dict(copy_paste=_base_.paste_annotated)
