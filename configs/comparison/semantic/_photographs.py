"""A base of photographs for a CPU: ResNet-50 from ImageNet, frozen, and a small head, 97 x 97 px.

For comparing methods with a teacher that knows photographs, not for the best mIoU. Lists and label
maps are those that `tools/dataset/new_config.py --label-maps` writes into data/photos, from photos
in data/photos/images and data/photos/val_images (docs/semantic_comparison.md). Numbers are ours.
"""

_base_ = [
    '../../semantic/_base_/runtime.py',
    '../../semantic/_base_/datasets/pipelines.py',
    '../../semantic/_base_/models/deeplabv3plus_tiny.py',
    '../../semantic/_base_/schedules/shapes_2k.py',
    '../../semantic/_base_/methods.py',
]

data_root = '{{$MMPLDC_PHOTOS:data/photos/}}'
# In caffe's format, as mean, std and the order of the channels below.
backbone_weights = '{{$MMPLDC_R50:open-mmlab://detectron2/resnet50_caffe}}'
classes = ('background', 'bear', 'deer', 'elephant', 'otter', 'rhesus monkey', 'tiger', 'turtle')
palette = [
    (0, 0, 0),
    (220, 60, 60),
    (250, 150, 60),
    (60, 160, 60),
    (150, 220, 60),
    (50, 110, 220),
    (60, 210, 220),
    (150, 60, 200),
]
image_size = (97, 97)  # odd, for corners are aligned
max_iters = 300
burn_in_iters = 150

model = dict(
    backbone=dict(
        _delete_=True,
        type='mmseg.ResNet',
        depth=50,
        num_stages=3,  # stride 16; the last stage is half of the work
        out_indices=(0, 1, 2),
        strides=(1, 2, 2),
        dilations=(1, 1, 1),
        frozen_stages=3,
        norm_cfg=dict(type='BN', requires_grad=False),
        norm_eval=True,
        style='caffe',
        init_cfg=dict(type='Pretrained', checkpoint=backbone_weights),
    ),
    segmentor=dict(
        decode_head=dict(
            in_channels=1024,
            in_index=2,
            c1_in_channels=256,
            c1_channels=48,
            align_corners=True,
        )
    ),
    num_classes=len(classes),
    burn_in_iters=burn_in_iters,
    data_preprocessor=dict(
        data_preprocessor=dict(
            mean=[103.939, 116.779, 123.68],
            std=[1.0, 1.0, 1.0],
            bgr_to_rgb=False,
            size=image_size,
        )
    ),
)

load_labels = dict(type='mmpldc.LoadSegAnnotations', num_classes=len(classes))
geometry = [
    dict(
        type='RandomResize',
        scale=image_size,
        ratio_range=(0.7, 1.4),
        resize_type='Resize',
        keep_ratio=True,
    ),
    _base_.flip,
    dict(type='RandomCrop', crop_size=image_size),
]
source = dict(
    type='mmseg.BaseSegDataset',
    data_root=data_root,
    metainfo=dict(classes=classes, palette=palette),
    img_suffix='',
    seg_map_suffix='.png',
)
labeled = dict(
    ann_file='labeled.txt',
    data_prefix=dict(img_path='images', seg_map_path='label_maps/train'),
    pipeline=[_base_.load_image, load_labels, *geometry, *_base_.labeled_views],
    **source,
)
unlabeled = dict(
    ann_file='unlabeled.txt',
    data_prefix=dict(img_path='images'),
    pipeline=[_base_.load_image, *geometry, *_base_.u2pl_unlabeled_views],
    **source,
)
train_dataloader = dict(
    batch_size=8,
    num_workers=0,
    sampler=dict(type='mmpldc.ResumableMultiSourceSampler', batch_size=8, source_ratio=[1, 1]),
    dataset=dict(type='mmpldc.SemiDataset', labeled=labeled, unlabeled=unlabeled),
)
evaluated = dict(
    test_mode=True,
    pipeline=[
        _base_.load_image,
        dict(type='Resize', scale=image_size, keep_ratio=True),
        load_labels,  # after the resize: results are compared at the images' own size
        dict(type='mmseg.PackSegInputs'),
    ],
    **source,
)
one_by_one = dict(batch_size=1, num_workers=0, sampler=dict(type='DefaultSampler', shuffle=False))
val_dataloader = dict(
    dataset=dict(
        ann_file='val.txt',
        data_prefix=dict(img_path='val_images', seg_map_path='label_maps/val'),
        **evaluated,
    ),
    **one_by_one,
)
test_dataloader = dict(
    dataset=dict(
        ann_file='test.txt',
        data_prefix=dict(img_path='val_images', seg_map_path='label_maps/test'),
        **evaluated,
    ),
    **one_by_one,
)
val_evaluator = dict(type='mmseg.IoUMetric', iou_metrics=['mIoU'])
test_evaluator = val_evaluator

train_cfg = dict(max_iters=max_iters, val_interval=max_iters)
param_scheduler = [
    dict(type='LinearLR', start_factor=0.01, by_epoch=False, begin=0, end=50),
    dict(type='PolyLR', power=0.9, eta_min=0.0, by_epoch=False, begin=50, end=max_iters),
]
default_hooks = dict(checkpoint=dict(interval=burn_in_iters))
auto_scale_lr = dict(base_batch_size=8)
