"""The released schedule of 73,750 iterations and 8 images a step.

It is that of the paper's supervised baseline on COCO; PL-DC's ablations have its steps (Table I).
"""

_base_ = './pldc_368k.py'

max_iters = 73750
train_cfg = dict(max_iters=max_iters)
param_scheduler = dict(end=max_iters, milestones=[68077])  # as it resolves
auto_scale_lr = dict(base_batch_size=8)
