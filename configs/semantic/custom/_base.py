"""Semantic segmentation of your own images: copy this folder and set the first lines.

`tools/dataset/new_config.py --label-maps` does this for you (docs/semantic.md). Lists name images
with their extension, one a line, and the label map of `a/b.jpg` is `a/b.jpg.png`. The settings are
for one process. Numbers are ours unless noted.
"""

_base_ = [
    '../_base_/runtime.py',
    '../_base_/datasets/pipelines.py',
    '../_base_/models/deeplabv3plus_r50.py',
    '../../_base_/backbones/r50.py',
    '../_base_/schedules/voc_80e.py',
    '../_base_/methods.py',
]

classes = ('background', 'defect')
palette = [(0, 0, 0), (128, 0, 0)]
folders = dict(img_path='data/custom/images', seg_map_path='data/custom/label_maps')
labeled = dict(ann_file='data/custom/labeled.txt', data_prefix=folders)
unlabeled = dict(
    ann_file='data/custom/unlabeled.txt', data_prefix=dict(img_path='data/custom/images')
)
val = dict(ann_file='data/custom/val.txt', data_prefix=folders)
test = val
# Images are fitted into this square, in training times 0.5 to 2 as in U2PL, iMAS and UniMatch.
# About the median of your images' longer sides, 32 n + 1.
image_size = (513, 513)
# Odd sides, for corners are aligned; at most VOC's 513.
crop_size = (513, 513)
# Half labelled, half unlabelled.
batch_size = 8
# The schedule, scaled to the data: 80 passes over the unlabelled images as on VOC (U2PL, iMAS); a
# small set needs more, at least 10,000 steps. The most is VOC's with 92 labels.
max_iters = 10000
# U2PL on VOC: one of 80 epochs with labels alone.
burn_in_iters = 125
# UniMatch on VOC: 0.001 with 8 + 8 images; in proportion to the batch. Other backbones: that of
# _base_.semantic.optim_wrapper, made for 16 + 16.
learning_rate = 0.0005
# The backbone is the file of _base_/backbones above (docs/backbones.md): 'tuned' trains it, and
# 'frozen' does not.
backbone_mode = 'tuned'

num_classes = len(classes)
model = dict(
    **_base_.semantic[backbone_mode],
    num_classes=num_classes,
    burn_in_iters=burn_in_iters,
    data_preprocessor=dict(data_preprocessor=dict(size=crop_size)),
)

load_labels = dict(type='mmpldc.LoadSegAnnotations', num_classes=num_classes)
resize = dict(
    type='RandomResize',
    scale=image_size,
    ratio_range=(0.5, 2.0),
    resize_type='Resize',
    keep_ratio=True,
)
geometry = [resize, _base_.flip, dict(type='RandomCrop', crop_size=crop_size)]
load_labeled = [_base_.load_image, load_labels, *geometry]
load_unlabeled = [_base_.load_image, *geometry]
source = dict(
    type='mmseg.BaseSegDataset',
    metainfo=dict(classes=classes, palette=palette),
    img_suffix='',
    seg_map_suffix='.png',
)
train_dataloader = dict(
    batch_size=batch_size,
    num_workers=4,
    persistent_workers=True,
    pin_memory=True,
    sampler=dict(
        type='mmpldc.ResumableMultiSourceSampler', batch_size=batch_size, source_ratio=[1, 1]
    ),
    dataset=dict(
        type='mmpldc.SemiDataset',
        labeled=dict(pipeline=[*load_labeled, *_base_.labeled_views], **labeled, **source),
        unlabeled=dict(
            pipeline=[*load_unlabeled, *_base_.u2pl_unlabeled_views], **unlabeled, **source
        ),
    ),
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
one_by_one = dict(
    batch_size=1,  # images of different sizes
    num_workers=2,
    persistent_workers=True,
    sampler=dict(type='DefaultSampler', shuffle=False),
)
val_dataloader = dict(dataset=dict(**evaluated, **val), **one_by_one)
test_dataloader = dict(dataset=dict(**evaluated, **test), **one_by_one)
val_evaluator = dict(type='mmseg.IoUMetric', iou_metrics=['mIoU'])
test_evaluator = val_evaluator

optimizer = _base_.semantic.optim_wrapper.get('optimizer', {})
optim_wrapper = dict(_base_.semantic.optim_wrapper, optimizer=dict(optimizer, lr=learning_rate))
train_cfg = dict(max_iters=max_iters, val_interval=max_iters // 10)
param_scheduler = dict(end=max_iters)
auto_scale_lr = dict(base_batch_size=batch_size)
default_hooks = dict(checkpoint=dict(interval=max_iters // 10))
