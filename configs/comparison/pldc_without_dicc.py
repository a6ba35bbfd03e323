"""PL-DC without CLIP: the teacher's classes stand."""

_base_ = '{{$MMPLDC_COMPARISON:../quickstart/pldc.py}}'

model = dict(refiner=None)
