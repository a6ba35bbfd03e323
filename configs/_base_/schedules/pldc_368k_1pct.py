"""PL-DC's COCO schedule at 1 %: the released one drops the learning rate earlier there."""

_base_ = './pldc_368k.py'

param_scheduler = dict(milestones=[213875])
