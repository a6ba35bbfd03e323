"""PL-DC on your own COCO-format data: copy this file and set the first lines.

`tools/dataset/new_config.py` does this for you (docs/data.md). The settings are for one GPU; images
may have any size. Numbers are the paper's unless noted.
"""

_base_ = [
    '../_base_/default_runtime.py',
    '../_base_/models/mask2former_r50.py',
    '../_base_/datasets/coco_semi.py',
    '../_base_/schedules/pldc_368k.py',
]

classes = ('bear', 'deer', 'elephant', 'otter', 'rhesus monkey', 'tiger', 'turtle')
labeled = dict(ann_file='data/custom/labeled.json', data_prefix=dict(img='data/custom/images'))
unlabeled = dict(ann_file='data/custom/unlabeled.json', data_prefix=dict(img='data/custom/images'))
val = dict(ann_file='data/custom/val.json', data_prefix=dict(img='data/custom/images'))
test = val
# Whether labelled images without an object are trained on: nothing is on them.
negatives = False
# Images are fitted into this square times 0.5 to 2 and cropped to it: a multiple of 32, about the
# median of your images' longer sides; at most the paper's 1024.
image_size = (384, 384)
# Half labelled, half unlabelled.
batch_size = 8

# The schedule, scaled to the data: the paper passes 50 times over COCO's 118k images, in 368,750
# steps of 16. So 50 * images / batch size; a small set needs more passes, at least 10,000 steps.
max_iters = 10000
# The paper: 20,000 of 368,750 steps. A short run needs a larger share: a fifth.
burn_in_iters = 2000
# The paper's 0.9996 averages over 1 / (1 - 0.9996) = 2,500 steps; a short run over a twentieth of
# its steps, at least 500: 1 - 1 / 500.
keep_rate = 0.998

metainfo = dict(classes=classes)
pad = dict(type='BatchFixedSizePad', size=image_size, pad_mask=True)
model = dict(
    num_classes=len(classes),
    burn_in_iters=burn_in_iters,
    data_preprocessor=dict(data_preprocessor=dict(batch_augments=[pad])),
)

geometry = [
    _base_.flip,
    dict(_base_.resize, scale=image_size, ratio_range=(0.5, 2.0)),
    dict(_base_.crop, crop_size=image_size),
]
train_dataloader = dict(
    batch_size=batch_size,
    num_workers=4,
    sampler=dict(batch_size=batch_size),
    dataset=dict(
        _delete_=True,
        type='mmpldc.SemiDataset',
        metainfo=metainfo,
        labeled=dict(
            type='CocoDataset',
            filter_cfg=dict(filter_empty_gt=not negatives),
            pipeline=[*_base_.load_labeled, *geometry, *_base_.labeled_views],
            **labeled,
        ),
        unlabeled=dict(
            type='CocoDataset',
            filter_cfg=dict(filter_empty_gt=False),
            pipeline=[*_base_.load_unlabeled, *geometry, *_base_.unlabeled_views],
            **unlabeled,
        ),
    ),
)
evaluated = dict(
    type='CocoDataset',
    metainfo=metainfo,
    test_mode=True,
    pipeline=[
        dict(type='LoadImageFromFile'),
        dict(type='Resize', scale=image_size, keep_ratio=True),
        dict(type='mmpldc.LoadAnnotations', with_bbox=True, with_mask=True, check=False),
        _base_.pack_evaluated,
    ],
)
val_dataloader = dict(dataset=dict(_delete_=True, **evaluated, **val))
test_dataloader = dict(dataset=dict(_delete_=True, **evaluated, **test))
val_evaluator = dict(ann_file=val['ann_file'])
test_evaluator = dict(ann_file=test['ann_file'])

# Ours: ten validations, and the learning rate drops after nine tenths (released code: 0.92).
train_cfg = dict(max_iters=max_iters, val_interval=max_iters // 10)
param_scheduler = dict(end=max_iters, milestones=[max_iters * 9 // 10])
auto_scale_lr = dict(base_batch_size=batch_size)
default_hooks = dict(
    checkpoint=dict(interval=max_iters // 10), mean_teacher=dict(keep_rate=keep_rate)
)
