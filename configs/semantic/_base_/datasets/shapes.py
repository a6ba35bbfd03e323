"""Generated scenes of `tools/dataset/generate_shapes.py`: 8 shapes and the background.

Runs are validated on the tuning split; the test split is read once, for the report.
"""

_base_ = './pipelines.py'

metainfo = dict(
    classes=(
        'background',
        'disc',
        'gear',
        'square',
        'cross',
        'pentagram',
        'hexagram',
        'triangle',
        'trefoil',
    ),
    palette=[
        (0, 0, 0),
        (220, 60, 60),
        (250, 150, 60),
        (60, 160, 60),
        (150, 220, 60),
        (50, 110, 220),
        (60, 210, 220),
        (150, 60, 200),
        (240, 110, 200),
    ],
)
data_root = '{{$MMPLDC_SHAPES:data/shapes/}}'
image_size = (96, 96)
num_classes = len(metainfo['classes'])
# As the quickstart's of instances: these shapes may be turned over.
geometry = [
    dict(_base_.flip, direction=['horizontal', 'vertical']),
    dict(
        type='RandomResize',
        scale=image_size,
        ratio_range=(0.8, 1.25),
        resize_type='Resize',
        keep_ratio=True,
    ),
    dict(type='RandomCrop', crop_size=image_size),
]
load_labels = dict(type='mmpldc.LoadSegAnnotations', num_classes=num_classes)
source = dict(type='mmseg.BaseSegDataset', data_root=data_root, metainfo=metainfo)
training_folders = dict(img_path='images/train', seg_map_path='labels/train')
labeled = dict(
    ann_file='lists/labeled.txt',
    data_prefix=training_folders,
    pipeline=[_base_.load_image, load_labels, *geometry, *_base_.labeled_views],
    **source,
)
unlabeled = dict(
    ann_file='lists/unlabeled.txt',
    data_prefix=training_folders,
    pipeline=[_base_.load_image, *geometry, *_base_.u2pl_unlabeled_views],
    **source,
)
train_dataloader = dict(
    batch_size=16,
    num_workers=0,
    sampler=dict(type='mmpldc.ResumableMultiSourceSampler', batch_size=16, source_ratio=[1, 1]),
    dataset=dict(type='mmpldc.SemiDataset', labeled=labeled, unlabeled=unlabeled),
)
test_pipeline = [_base_.load_image, load_labels, dict(type='mmseg.PackSegInputs')]
evaluated = dict(test_mode=True, pipeline=test_pipeline, **source)
in_order = dict(batch_size=16, num_workers=0, sampler=dict(type='DefaultSampler', shuffle=False))
val_dataloader = dict(
    dataset=dict(
        ann_file='lists/tuning.txt',
        data_prefix=dict(img_path='images/tuning', seg_map_path='labels/tuning'),
        **evaluated,
    ),
    **in_order,
)
test_dataloader = dict(
    dataset=dict(
        ann_file='lists/test.txt',
        data_prefix=dict(img_path='images/test', seg_map_path='labels/test'),
        **evaluated,
    ),
    **in_order,
)
val_evaluator = dict(type='mmseg.IoUMetric', iou_metrics=['mIoU'])
test_evaluator = val_evaluator
