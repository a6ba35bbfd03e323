"""PAIS's COCO schedule (its released code): 220,000 iterations of 4 + 8 images for all shares.

Its learning rate equals PL-DC's. Mask2Former's gradient clipping stays, and the norms and
embeddings of its head have no weight decay.
"""

_base_ = './pldc_368k.py'

max_iters = 220000
train_cfg = dict(max_iters=max_iters)
optim_wrapper = dict(
    optimizer=dict(weight_decay=0.05),
    paramwise_cfg=dict(custom_keys=dict(backbone=dict(lr_mult=0.25))),
)
param_scheduler = [
    dict(type='LinearLR', start_factor=0.001, begin=0, end=1000, by_epoch=False),
    dict(
        type='MultiStepLR',
        begin=0,
        end=max_iters,
        by_epoch=False,
        milestones=[160000, 200000],
        gamma=0.1,
    ),
]
auto_scale_lr = dict(base_batch_size=12)
