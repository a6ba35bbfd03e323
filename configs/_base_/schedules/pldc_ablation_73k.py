"""The schedule of PL-DC's ablations (Table I): 73,750 iterations of 8 images.

The learning rate stays: the paper prints no drop. The released configs of this length drop it at
68,077 (docs/deviations.md).
"""

_base_ = './pldc_368k.py'

max_iters = 73750
train_cfg = dict(max_iters=max_iters)
param_scheduler = None
auto_scale_lr = dict(base_batch_size=8)
