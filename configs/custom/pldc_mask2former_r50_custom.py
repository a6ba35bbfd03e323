"""PL-DC on your own COCO-format data: inherit this and set paths and class names.

docs/custom_data.md has such a config. 4 + 4 images of 384 x 384 on one GPU.
"""

_base_ = [
    '../_base_/default_runtime.py',
    '../_base_/models/mask2former_r50.py',
    '../_base_/datasets/semi_pipelines.py',
]

# The schedule, scaled to the data: the paper sees COCO's 118k images 50 times in 368,750 steps of
# 16. 700 images in steps of 8 would be 50 * 700 / 8 = 4,375; small sets need more passes: 10,000.
max_iters = 10000
# The paper burns in for 20,000 of 368,750 steps; a short run needs a larger share, a fifth.
burn_in_iters = 2000
image_size = (384, 384)

model = dict(
    burn_in_iters=burn_in_iters,
    data_preprocessor=dict(
        data_preprocessor=dict(
            batch_augments=[dict(type='BatchFixedSizePad', size=image_size, pad_mask=True)]
        )
    ),
)
custom_hooks = [
    # The paper's 0.9996 averages over 2,500 of 368,750 steps; here over 500 of 10,000.
    dict(type='mmpldc.MeanTeacherHook', keep_rate=0.998)
]

geometry = [
    dict(type='RandomFlip', prob=0.5),
    dict(
        type='RandomResize',
        scale=image_size,
        ratio_range=(0.5, 2.0),
        resize_type='Resize',
        keep_ratio=True,
    ),
    dict(
        type='RandomCrop',
        crop_size=image_size,
        crop_type='absolute',
        recompute_bbox=True,
        allow_negative_crop=True,
    ),
]
labeled = dict(
    type='CocoDataset',
    filter_cfg=dict(filter_empty_gt=True, min_size=1),
    pipeline=[*_base_.load_labeled, *geometry, *_base_.labeled_views],
)
unlabeled = dict(
    type='CocoDataset',
    filter_cfg=dict(filter_empty_gt=False),
    pipeline=[*_base_.load_unlabeled, *geometry, *_base_.unlabeled_views],
)
train_dataloader = dict(
    batch_size=8,
    num_workers=4,
    persistent_workers=True,
    sampler=dict(type='mmpldc.ResumableMultiSourceSampler', batch_size=8, source_ratio=[1, 1]),
    dataset=dict(type='ConcatDataset', datasets=[labeled, unlabeled]),
)
val_dataloader = dict(
    batch_size=1,
    num_workers=2,
    persistent_workers=True,
    sampler=dict(type='DefaultSampler', shuffle=False),
    dataset=dict(
        type='CocoDataset',
        test_mode=True,
        pipeline=[
            dict(type='LoadImageFromFile'),
            dict(type='Resize', scale=image_size, keep_ratio=True),
            dict(type='LoadAnnotations', with_bbox=True, with_mask=True),
            dict(
                type='PackDetInputs',
                meta_keys=('img_id', 'img_path', 'ori_shape', 'img_shape', 'scale_factor'),
            ),
        ],
    ),
)
test_dataloader = val_dataloader
val_evaluator = dict(type='CocoMetric', metric='segm')
test_evaluator = val_evaluator

train_cfg = dict(type='IterBasedTrainLoop', max_iters=max_iters, val_interval=1000)
val_cfg = dict(type='mmpldc.TeacherStudentValLoop', student_interval=5)
test_cfg = dict(type='TestLoop')
optim_wrapper = dict(
    type='OptimWrapper',
    optimizer=dict(type='AdamW', lr=1e-4, weight_decay=1e-4),  # PL-DC, Table I
    clip_grad=dict(max_norm=0.01, norm_type=2),  # released code
    paramwise_cfg=dict(  # as Mask2Former: no weight decay on embeddings and norms
        custom_keys=dict(
            query_embed=dict(decay_mult=0.0),
            query_feat=dict(decay_mult=0.0),
            level_embed=dict(decay_mult=0.0),
        ),
        norm_decay_mult=0.0,
    ),
)
param_scheduler = dict(type='MultiStepLR', by_epoch=False, milestones=[9000], gamma=0.1)
auto_scale_lr = dict(enable=False, base_batch_size=8)
default_hooks = dict(checkpoint=dict(interval=1000))
