"""Released schedule of 73,750 iterations with 8 images per step.

It belongs to the paper's supervised baseline on COCO; PL-DC's ablations have as many steps
(Table I).
"""

_base_ = './pldc_368k.py'

max_iters = 73750
train_cfg = dict(max_iters=max_iters)
param_scheduler = dict(end=max_iters, milestones=[68077])  # the released drop, resolved
auto_scale_lr = dict(base_batch_size=8)
