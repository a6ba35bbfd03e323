"""The quickstart's optimizer and schedule, for a head that learns from a few images in an hour.

docs/quickstart.md describes the trials.
"""

max_iters = 2000
train_cfg = dict(type='mmpldc.AccumulatingTrainLoop', max_iters=max_iters, val_interval=500)
val_cfg = dict(type='mmpldc.TeacherStudentValLoop', student_interval=0)
test_cfg = dict(type='TestLoop')
optim_wrapper = dict(
    type='mmpldc.GuardedOptimWrapper',
    optimizer=dict(type='AdamW', lr=1e-3, weight_decay=0.05, betas=(0.9, 0.999)),
    clip_grad=dict(max_norm=1.0, norm_type=2),
)
param_scheduler = [
    dict(type='LinearLR', start_factor=0.01, by_epoch=False, begin=0, end=100),
    dict(
        type='CosineAnnealingLR',
        by_epoch=False,
        begin=100,
        end=max_iters,
        T_max=max_iters - 100,
        eta_min=1e-5,
    ),
]
