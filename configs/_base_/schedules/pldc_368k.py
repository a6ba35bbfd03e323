"""PL-DC's COCO schedule: 368,750 iterations (50 epochs of 118k images in batches of 16)."""

max_iters = 368750
train_cfg = dict(type='mmpldc.AccumulatingTrainLoop', max_iters=max_iters, val_interval=5000)
# The student is validated at every fourth validation: it costs a second pass over val2017.
val_cfg = dict(type='mmpldc.TeacherStudentValLoop', student_interval=4)
test_cfg = dict(type='TestLoop')

# Learning rate, weight decay: PL-DC, section 4.1 and Table I; gradient clipping: released code.
embed_multi = dict(lr_mult=1.0, decay_mult=0.0)
optim_wrapper = dict(
    type='mmpldc.GuardedOptimWrapper',
    constructor='mmpldc.MergedOptimWrapperConstructor',
    optimizer=dict(type='AdamW', lr=1e-4, weight_decay=1e-4, eps=1e-8, betas=(0.9, 0.999)),
    clip_grad=dict(max_norm=0.01, norm_type=2),
    paramwise_cfg=dict(
        # as in Mask2Former: no weight decay on embeddings (released: 1e-4) and norms
        custom_keys=dict(query_embed=embed_multi, query_feat=embed_multi, level_embed=embed_multi),
        norm_decay_mult=0.0,
    ),
)
param_scheduler = dict(  # the drop of the released schedule, with its settings resolved
    type='MultiStepLR', begin=0, end=max_iters, by_epoch=False, milestones=[340385], gamma=0.1
)
auto_scale_lr = dict(enable=False, base_batch_size=16)
