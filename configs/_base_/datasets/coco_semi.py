"""COCO: part of train2017 labelled, 8 labelled and 8 unlabelled images per step (PL-DC, Table I).

`train_dataloader.dataset.split` selects the part; tools/dataset/split.py writes it (docs/data.md).
The batch is for one process: divide it by the number of GPUs (the paper used four).
"""

_base_ = './semi_pipelines.py'

data_root = 'data/coco/'
geometry = [_base_.flip, _base_.resize, _base_.crop]
labeled = dict(
    type='CocoDataset',
    data_root=data_root,
    data_prefix=dict(img='train2017/'),
    filter_cfg=dict(filter_empty_gt=True, min_size=32),
    pipeline=[*_base_.load_labeled, *geometry, *_base_.labeled_views],
)
unlabeled = dict(
    type='CocoDataset',
    data_root=data_root,
    data_prefix=dict(img='train2017/'),
    filter_cfg=dict(filter_empty_gt=False),  # released: left out according to their annotations
    pipeline=[*_base_.load_unlabeled, *geometry, *_base_.unlabeled_views],
)
train_dataloader = dict(
    batch_size=16,
    num_workers=8,
    persistent_workers=True,
    pin_memory=True,
    sampler=dict(type='mmpldc.ResumableMultiSourceSampler', batch_size=16, source_ratio=[1, 1]),
    dataset=dict(type='mmpldc.SemiDataset', labeled=labeled, unlabeled=unlabeled),
)
# All of train2017 labelled, unlabeled2017 unlabelled: for train_dataloader.dataset. The file is
# image_info_unlabeled2017.json with train2017's categories: split.py ... --unlabeled.
all_of_coco = dict(
    split=None,
    labeled=dict(ann_file='annotations/instances_train2017.json'),
    unlabeled=dict(
        ann_file='annotations/semi_supervised/instances_train2017.1@100-unlabeled.json',
        data_prefix=dict(img='unlabeled2017/'),
    ),
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
            dict(type='mmpldc.LoadAnnotations', with_bbox=True, with_mask=True, check=False),
            _base_.pack_evaluated,
        ],
    ),
)
test_dataloader = val_dataloader
val_evaluator = dict(
    type='mmpldc.CocoMetric',
    ann_file=data_root + 'annotations/instances_val2017.json',
    metric='segm',
    format_only=False,
)
test_evaluator = val_evaluator
