"""Cityscapes: 200 epochs of the unlabelled images in steps of 16 of them (U2PL).

That is 34,800 steps with 186 labelled images, 32,600 with 372, 27,800 with 744 and 18,600 with
1,488: U2PL's released logs. All parts learn at one rate.
"""

_base_ = './voc_80e.py'

max_iters = 27800
train_cfg = dict(max_iters=max_iters)
optim_wrapper = dict(optimizer=dict(lr=0.01, weight_decay=5e-4), paramwise_cfg=dict(_delete_=True))
param_scheduler = dict(end=max_iters)
