"""PL-DC with masks cut anew at the edges of the image (GrabCut)."""

_base_ = '../../quickstart/pldc.py'

model = dict(mask_refiner=_base_.grab_cut)
