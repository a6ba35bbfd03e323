"""PASCAL VOC: 80 epochs of the unlabelled images in steps of 16 of them (U2PL, iMAS).

That is 52,400 steps with 92 labelled images, 45,600 with 1,464, and on the blender lists 49,600
(662), 46,240 (1,323) and 39,680 (2,646): U2PL's released logs. Learning rate, decay, schedule:
U2PL and iMAS, released configs.
"""

max_iters = 45600
train_cfg = dict(type='mmpldc.AccumulatingTrainLoop', max_iters=max_iters, val_interval=2000)
val_cfg = dict(type='mmpldc.TeacherStudentValLoop', student_interval=4)
test_cfg = dict(type='TestLoop')
optim_wrapper = dict(
    type='mmpldc.GuardedOptimWrapper',
    constructor='mmpldc.MergedOptimWrapperConstructor',
    optimizer=dict(type='SGD', lr=0.001, momentum=0.9, weight_decay=1e-4),
    # the decode head learns ten times as fast as the backbone
    paramwise_cfg=dict(custom_keys={'decode_head': dict(lr_mult=10.0)}),
)
param_scheduler = dict(
    type='PolyLR', power=0.9, eta_min=0.0, by_epoch=False, begin=0, end=max_iters
)
auto_scale_lr = dict(enable=False, base_batch_size=32)
