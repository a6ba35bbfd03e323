"""Cityscapes: 2,975 training images, 500 to validate on, 19 classes.

Label maps are `*_gtFine_labelTrainIds.png`, which Cityscapes' own scripts make. The batch is that
of one process: U2PL's eight GPUs had 2 labelled and 2 unlabelled images each.
"""

_base_ = './pipelines.py'

data_root = 'data/cityscapes/'
image_size, crop_size = (2048, 1024), (769, 769)  # U2PL, iMAS; UniMatch 801
imas_resize = dict(
    type='RandomResize',
    scale=image_size,
    ratio_range=(0.5, 2.0),
    resize_type='Resize',
    keep_ratio=True,
)
u2pl_resize = dict(type='mmpldc.RandomScale', ratio_range=(0.5, 2.0), as_often_smaller=True)
unimatch_resize = dict(type='mmpldc.RandomScale', ratio_range=(0.5, 2.0))
crop = dict(type='RandomCrop', crop_size=crop_size)
load_labels = dict(type='mmpldc.LoadSegAnnotations', num_classes=19)
geometry = [u2pl_resize, _base_.flip, crop]

source = dict(type='mmseg.CityscapesDataset', data_root=data_root)
training_folders = dict(img_path='leftImg8bit/train', seg_map_path='gtFine/train')
labeled = dict(
    data_prefix=training_folders,
    pipeline=[_base_.load_image, load_labels, *geometry, *_base_.labeled_views],
    **source,
)
unlabeled = dict(
    data_prefix=training_folders,
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
        split='semi_supervised/train.1@744images.txt',
        labeled=labeled,
        unlabeled=unlabeled,
    ),
)
test_pipeline = [_base_.load_image, load_labels, dict(type='mmseg.PackSegInputs')]
val_dataloader = dict(
    batch_size=1,
    num_workers=4,
    persistent_workers=True,
    sampler=dict(type='DefaultSampler', shuffle=False),
    dataset=dict(
        data_prefix=dict(img_path='leftImg8bit/val', seg_map_path='gtFine/val'),
        test_mode=True,
        pipeline=test_pipeline,
        **source,
    ),
)
test_dataloader = val_dataloader
val_evaluator = dict(type='mmseg.IoUMetric', iou_metrics=['mIoU'])
test_evaluator = val_evaluator
