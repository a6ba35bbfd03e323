"""PL-DC with few labelled photographs on a CPU: ResNet-50 frozen, a small head, 128 x 128 px.

For comparing methods, not for the best AP: tools/compare/lockstep.py trains many configs over this
one and computes the backbone's features once (docs/few_labels.md). The data are three COCO-format
files in one folder: labeled.json, unlabeled.json and val.json. The head is the quickstart's.
"""

_base_ = '../quickstart/_base_shapes.py'

data_root = '{{$MMPLDC_PHOTOS:data/photos/}}'
# Annotations of the unlabelled images, for the oracles alone.
hidden = '{{$MMPLDC_PHOTOS_HIDDEN:data/photos/hidden.json}}'
# Labels of the unlabelled images by another model, below data_root, for weak_labels.py alone.
weak = '{{$MMPLDC_PHOTOS_WEAK:weak_labels.json}}'
images = dict(img='{{$MMPLDC_PHOTOS_IMAGES:images/}}')
# In caffe's format, as mean, std and the order of the channels below.
backbone_weights = '{{$MMPLDC_R50:open-mmlab://detectron2/resnet50_caffe}}'
classes = ('bear', 'deer', 'elephant', 'otter', 'rhesus monkey', 'tiger', 'turtle')
metainfo = dict(_delete_=True, classes=classes)
image_size = (128, 128)
max_iters = 2400
burn_in_iters = 600

pad = dict(type='BatchFixedSizePad', size=image_size, pad_mask=True)
model = dict(
    backbone=dict(
        _delete_=True,
        type='ResNet',
        depth=50,
        num_stages=4,
        out_indices=(0, 1, 2, 3),
        frozen_stages=4,
        norm_cfg=dict(type='BN', requires_grad=False),
        norm_eval=True,
        style='caffe',
        init_cfg=dict(type='Pretrained', checkpoint=backbone_weights),
    ),
    detector=dict(panoptic_head=dict(in_channels=[256, 512, 1024, 2048], num_queries=20)),
    num_classes=len(classes),
    burn_in_iters=burn_in_iters,
    # The images of one view are one pass through the backbone, so that the methods can share it.
    joint_forward=False,
    data_preprocessor=dict(
        data_preprocessor=dict(
            mean=[103.939, 116.779, 123.68],
            std=[1.0, 1.0, 1.0],
            bgr_to_rgb=False,
            batch_augments=[pad],
        )
    ),
)

geometry = [
    _base_.flip,
    dict(_base_.resize, scale=image_size, ratio_range=(0.7, 1.4)),
    dict(_base_.crop, crop_size=image_size),
]
views = dict(type='MultiBranch', branch_field=_base_.branches)
labeled = dict(
    type='CocoDataset',
    data_root=data_root,
    ann_file='labeled.json',
    data_prefix=images,
    metainfo=metainfo,
    filter_cfg=dict(filter_empty_gt=True),
    pipeline=[
        *_base_.load_labeled,
        *geometry,
        _base_.drop_cropped_away,
        dict(sup_strong=_base_.strong, **views),
    ],
)
unlabeled = dict(
    type='CocoDataset',
    data_root=data_root,
    ann_file='unlabeled.json',
    data_prefix=images,
    metainfo=metainfo,
    filter_cfg=dict(filter_empty_gt=False),
    pipeline=[
        *_base_.load_unlabeled,
        *geometry,
        dict(unsup_weak=[_base_.pack], unsup_strong=_base_.strong, **views),
    ],
)
train_dataloader = dict(
    batch_size=8,
    num_workers=0,
    sampler=dict(type='mmpldc.ResumableMultiSourceSampler', batch_size=8, source_ratio=[1, 1]),
    dataset=dict(type='mmpldc.SemiDataset', labeled=labeled, unlabeled=unlabeled),
)
val_dataloader = dict(
    batch_size=16,
    dataset=dict(
        data_root=data_root,
        ann_file='val.json',
        data_prefix=dict(img='{{$MMPLDC_PHOTOS_VAL:images/}}'),
        metainfo=metainfo,
        pipeline=[
            dict(type='LoadImageFromFile'),
            dict(type='Resize', scale=image_size, keep_ratio=True),
            dict(type='LoadAnnotations', with_bbox=True, with_mask=True),
            _base_.pack_evaluated,
        ],
    ),
)
test_dataloader = val_dataloader
val_evaluator = dict(ann_file=data_root + 'val.json')
test_evaluator = val_evaluator

train_cfg = dict(max_iters=max_iters, val_interval=600)
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
default_hooks = dict(checkpoint=dict(interval=600))
