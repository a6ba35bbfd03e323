"""Cityscapes: part of train labelled, 4 labelled and 4 unlabelled images per step (PL-DC, Table I).

As in the released code, the short side is 0.5 to 2 times 1024, and crops are 1024 wide and 512
high. The released code draws one of 16 sizes in this range, has 8 + 8 images, and applies SSD's
colour distortion in both views. `tools/dataset/convert.py cityscapes` writes the annotations
(docs/data.md).
"""

_base_ = './coco_semi.py'

data_root = 'data/cityscapes/'
image_size, crop_size = (2048, 1024), (1024, 512)
geometry = [
    _base_.flip,
    dict(_base_.resize, scale=image_size, ratio_range=(0.5, 2.0)),
    dict(_base_.crop, crop_size=crop_size),
]
source = dict(
    type='CityscapesDataset', data_root=data_root, data_prefix=dict(img='leftImg8bit/train/')
)
labeled = dict(
    pipeline=[*_base_.load_labeled, *geometry, *_base_.labeled_views],
    filter_cfg=dict(min_size=0),
    **source,
)
unlabeled = dict(pipeline=[*_base_.load_unlabeled, *geometry, *_base_.unlabeled_views], **source)
train_dataloader = dict(
    batch_size=8,
    sampler=dict(batch_size=8),
    dataset=dict(labeled=labeled, unlabeled=unlabeled),
)
val_annotations = 'annotations/instancesonly_filtered_gtFine_val.json'
val_dataloader = dict(
    dataset=dict(
        type='CityscapesDataset',
        data_root=data_root,
        ann_file=val_annotations,
        data_prefix=dict(img='leftImg8bit/val/'),
        pipeline=[
            dict(type='LoadImageFromFile'),
            dict(type='Resize', scale=image_size, keep_ratio=True),
            dict(type='mmpldc.LoadAnnotations', with_bbox=True, with_mask=True, check=False),
            _base_.pack_evaluated,
        ],
    )
)
test_dataloader = val_dataloader
val_evaluator = dict(ann_file=data_root + val_annotations)
test_evaluator = val_evaluator

cityscapes_model = dict(  # settings for an experiment's model
    num_classes=8,
    data_preprocessor=dict(
        data_preprocessor=dict(
            batch_augments=[dict(type='BatchFixedSizePad', size=crop_size[::-1], pad_mask=True)]
        )
    ),
)
