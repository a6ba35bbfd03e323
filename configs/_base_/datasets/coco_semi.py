"""COCO, 1 % of train2017 labelled, as in PL-DC: 8 labelled and 8 unlabelled images of 1024 x 1024.

Large-scale jitter and fixed-size crop: PL-DC, Table III. The batch is that of one process; divide
it by the number of GPUs (the paper used four).
"""

_base_ = './semi_pipelines.py'

data_root = 'data/coco/'
image_size = (1024, 1024)

geometry = [
    dict(type='RandomFlip', prob=0.5),
    dict(
        type='RandomResize',
        scale=image_size,
        ratio_range=(0.1, 2.0),
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
# Shrunk images are smaller than the crop: the preprocessor pads them (model's batch_augments).
batch_pad = [dict(type='BatchFixedSizePad', size=image_size, pad_mask=True)]

labeled = dict(
    type='CocoDataset',
    data_root=data_root,
    ann_file='annotations/semi_supervised/instances_train2017.1@1.json',
    data_prefix=dict(img='train2017/'),
    filter_cfg=dict(filter_empty_gt=True, min_size=32),
    pipeline=[*_base_.load_labeled, *geometry, *_base_.labeled_views],
)
unlabeled = dict(
    type='CocoDataset',
    data_root=data_root,
    ann_file='annotations/semi_supervised/instances_train2017.1@1-unlabeled.json',
    data_prefix=dict(img='train2017/'),
    filter_cfg=dict(filter_empty_gt=False),
    pipeline=[*_base_.load_unlabeled, *geometry, *_base_.unlabeled_views],
)
train_dataloader = dict(
    batch_size=16,
    num_workers=8,
    persistent_workers=True,
    sampler=dict(type='mmpldc.ResumableMultiSourceSampler', batch_size=16, source_ratio=[1, 1]),
    dataset=dict(type='ConcatDataset', datasets=[labeled, unlabeled]),
)
val_dataloader = dict(
    batch_size=1,
    num_workers=2,
    persistent_workers=True,
    drop_last=False,
    sampler=dict(type='DefaultSampler', shuffle=False),
    dataset=dict(
        type='CocoDataset',
        data_root=data_root,
        ann_file='annotations/instances_val2017.json',
        data_prefix=dict(img='val2017/'),
        test_mode=True,
        pipeline=[
            dict(type='LoadImageFromFile'),
            dict(type='Resize', scale=(1333, 800), keep_ratio=True),
            dict(type='LoadAnnotations', with_bbox=True, with_mask=True),
            dict(
                type='PackDetInputs',
                meta_keys=('img_id', 'img_path', 'ori_shape', 'img_shape', 'scale_factor'),
            ),
        ],
    ),
)
test_dataloader = val_dataloader
val_evaluator = dict(
    type='CocoMetric',
    ann_file=data_root + 'annotations/instances_val2017.json',
    metric='segm',
    format_only=False,
)
test_evaluator = val_evaluator
