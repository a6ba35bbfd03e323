"""2,000 steps of 8 + 8 generated scenes: AdamW with a warm-up and a polynomial decay (ours)."""

max_iters = 2000
train_cfg = dict(type='mmpldc.AccumulatingTrainLoop', max_iters=max_iters, val_interval=500)
val_cfg = dict(type='mmpldc.TeacherStudentValLoop')
test_cfg = dict(type='TestLoop')
optim_wrapper = dict(
    type='mmpldc.GuardedOptimWrapper',
    constructor='mmpldc.MergedOptimWrapperConstructor',
    optimizer=dict(type='AdamW', lr=1e-3, weight_decay=0.05),
    clip_grad=dict(max_norm=1.0),
)
param_scheduler = [
    dict(type='LinearLR', start_factor=0.01, by_epoch=False, begin=0, end=50),
    dict(type='PolyLR', power=0.9, eta_min=0.0, by_epoch=False, begin=50, end=max_iters),
]
auto_scale_lr = dict(enable=False, base_batch_size=16)
