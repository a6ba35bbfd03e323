"""PL-DC's Cityscapes schedule (Table I): 180,000 iterations of 8 images."""

_base_ = './pldc_368k.py'

max_iters = 180000
train_cfg = dict(max_iters=max_iters)
# the drop of the released schedule, with its settings resolved
param_scheduler = dict(end=max_iters, milestones=[166154])
auto_scale_lr = dict(base_batch_size=8)
