"""PASCAL VOC 2012: 10,582 training images with SBD's label maps, 1,449 to validate on.

Where files lie, and how the lists are made, say docs/data.md and `tools/dataset/split.py`. The
batch is that of one process: the papers' four GPUs had 4 labelled and 4 unlabelled images each.
"""

_base_ = './pipelines.py'

data_root = 'data/VOCdevkit/VOC2012/'
crop_size = (513, 513)  # U2PL, iMAS; UniMatch also 321
# iMAS: the longer side becomes 250 to 1000. Sizes are (width, height).
imas_resize = dict(
    type='RandomResize',
    scale=(500, 500),
    ratio_range=(0.5, 2.0),
    resize_type='Resize',
    keep_ratio=True,
)
u2pl_resize = dict(type='mmpldc.RandomScale', ratio_range=(0.5, 2.0), as_often_smaller=True)
unimatch_resize = dict(type='mmpldc.RandomScale', ratio_range=(0.5, 2.0))
# A smaller image is taken whole; the preprocessor pads it with the mean colour, labels with 255.
crop = dict(type='RandomCrop', crop_size=crop_size)
load_labels = dict(type='mmpldc.LoadSegAnnotations', num_classes=21)
geometry = [u2pl_resize, _base_.flip, crop]

source = dict(type='mmseg.PascalVOCDataset', data_root=data_root)
labeled = dict(
    data_prefix=dict(img_path='JPEGImages', seg_map_path='SegmentationClassAug'),
    pipeline=[_base_.load_image, load_labels, *geometry, *_base_.labeled_views],
    **source,
)
unlabeled = dict(
    data_prefix=dict(img_path='JPEGImages', seg_map_path='SegmentationClassAug'),
    pipeline=[_base_.load_image, *geometry, *_base_.u2pl_unlabeled_views],
    **source,
)
train_dataloader = dict(
    batch_size=32,
    num_workers=8,
    persistent_workers=True,
    pin_memory=True,
    sampler=dict(type='mmpldc.ResumableMultiSourceSampler', batch_size=32, source_ratio=[1, 1]),
    dataset=dict(
        type='mmpldc.SemiDataset',
        split='ImageSets/Segmentation/semi_supervised/train_aug.1@1464images.txt',
        labeled=labeled,
        unlabeled=unlabeled,
    ),
)
test_pipeline = [_base_.load_image, load_labels, dict(type='mmseg.PackSegInputs')]
val_dataloader = dict(  # images of different sizes: one at a time
    batch_size=1,
    num_workers=4,
    persistent_workers=True,
    sampler=dict(type='DefaultSampler', shuffle=False),
    dataset=dict(
        ann_file='ImageSets/Segmentation/val.txt',
        data_prefix=dict(img_path='JPEGImages', seg_map_path='SegmentationClass'),
        test_mode=True,
        pipeline=test_pipeline,
        **source,
    ),
)
test_dataloader = val_dataloader
val_evaluator = dict(type='mmseg.IoUMetric', iou_metrics=['mIoU'])
test_evaluator = val_evaluator
