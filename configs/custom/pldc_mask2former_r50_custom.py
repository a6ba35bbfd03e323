"""PL-DC on your own COCO-format data: change the first part as you like, the rest follows from it.

`tools/dataset/new_config.py` fills it in for your data (docs/own_data.md). The settings are for one
device; images may have any size. Numbers are the paper's unless noted.
"""

_base_ = [
    '../_base_/default_runtime.py',
    '../_base_/models/mask2former_r50.py',
    '../_base_/backbones/r50.py',
    '../_base_/datasets/coco_semi.py',
    '../_base_/schedules/pldc_368k.py',
]

# ---- Data
classes = ('bear', 'deer', 'elephant', 'otter', 'rhesus monkey', 'tiger', 'turtle')
labeled = dict(ann_file='data/custom/labeled.json', data_prefix=dict(img='data/custom/images'))
unlabeled = dict(ann_file='data/custom/unlabeled.json', data_prefix=dict(img='data/custom/images'))
val = dict(ann_file='data/custom/val.json', data_prefix=dict(img='data/custom/images'))
test = val
# Whether labelled images without an object are trained on: nothing is on them.
negatives = False

# ---- Size
# Images are fitted into this square times a ratio, and cropped to it: a multiple of 32, about the
# median of your images' longer sides; at most the paper's 1024.
image_size = (384, 384)
resize_ratios = (0.5, 2.0)
# Half labelled, half unlabelled.
batch_size = 8
# Queries find at most one object each: more than an image has. Predictions of an image that count.
num_queries = 100
max_per_image = 100
# Labelled views that are trained on.
sup_views = ['sup_weak', 'sup_strong']

# ---- Start. The backbone is the file of _base_/backbones above (docs/backbones.md): 'frozen' as in
# the paper, or 'tuned', which trains it, too. Its weights: None for the published ones, or a file;
# those of a ResNet may be of 'pytorch' or of 'caffe' style, which wants BGR images. load_from: a
# whole detector, such as one trained on COCO, or None.
backbone_mode = 'frozen'
backbone_weights = None
backbone_style = 'pytorch'
load_from = None
# What a frozen backbone computes in: None is float32; 'bfloat16' takes half the time on a CPU that
# has it (docs/performance.md).
backbone_dtype = None

# ---- Schedule
learning_rate = 1e-4
# Steps. The paper passes 50 times over all images, in 368,750 steps of 16; docs/own_data.md says
# how many a smaller set gets.
max_iters = 10000
# The first of them, on labels alone. The paper: 20,000 of 368,750; a short run needs more of it.
burn_in_iters = 2000
# Share of the teacher that a step keeps. The paper's 0.9996 averages over 1 / (1 - 0.9996) = 2,500
# steps; here over a twentieth of all steps.
keep_rate = 0.998
# Validations, and checkpoints.
num_validations = 10
# Validations after burn-in without a better teacher after which the run ends; None: all steps.
early_stopping = None
num_workers = 4

# ---- Pseudo-labels. The threshold sets itself: it keeps the teacher's best labels, for this share
# of the objects that an image is expected to have by the labelled ones, and further labels that are
# as sure as the paper's thresholds demand (docs/few_labels.md).
label_share = 0.5
# None: the paper's fixed thresholds, on the qualities of class and mask, instead.
fixed_thresholds = dict(class_thr=0.85, mask_thr=0.90)
# Of masks that overlap by more than this the best is kept (the paper keeps all: None).
duplicate_iou = 0.6
# A second model that corrects the labels' classes (DICC, docs/refiners.md): None, 'clip', which
# takes your classes by their names, or 'imagenet', a classifier of ImageNet's 1,000 classes.
refiner = None
# Which of those 1,000 stand for each of your classes; labels of a class without any keep it.
class_indices = None
# Its weights: None for the published ones, or a file.
refiner_weights = None

# ---- The rest follows from the above.
metainfo = dict(classes=classes)
pad = dict(type='BatchFixedSizePad', size=image_size, pad_mask=True)
pixels = dict(batch_augments=[pad])
network = _base_.instance[backbone_mode]
backbone, detector = dict(network.backbone), network.detector
if backbone_weights is not None:
    backbone.update(init_cfg=dict(type='Pretrained', checkpoint=backbone_weights))
if load_from is not None:  # it brings them
    backbone.update(init_cfg=None)
if backbone_style == 'caffe':
    backbone.update(style='caffe')
    pixels.update(mean=[103.53, 116.28, 123.675], std=[1.0, 1.0, 1.0], bgr_to_rgb=False)
if label_share is None:
    pseudo_labels, class_thresholds = dict(_base_.ddtf, **fixed_thresholds), None
else:
    pseudo_labels = dict(_base_.certain_filter)
    class_thresholds = dict(_base_.half_expected_count, share=label_share)
corrects_classes = None
if refiner == 'clip':
    corrects_classes = dict(_base_.dicc)
    if refiner_weights is not None:
        corrects_classes.update(scorer=dict(_base_.dicc.scorer, pretrained=refiner_weights))
elif refiner == 'imagenet':
    scorer = _base_.imagenet_dicc.scorer
    weights = dict(classifier=dict(scorer.classifier, pretrained=True))
    if refiner_weights is not None:
        weights = dict(checkpoint=refiner_weights)
    scorer = dict(scorer, class_indices=class_indices, **weights)
    corrects_classes = dict(_base_.imagenet_dicc, scorer=scorer)
model = dict(
    backbone=backbone,
    detector=dict(
        detector,
        panoptic_head=dict(detector.panoptic_head, num_queries=num_queries),
        test_cfg=dict(max_per_image=max_per_image),
    ),
    num_classes=len(classes),
    pseudo_label_filter=dict(pseudo_labels, duplicate_iou=duplicate_iou),
    burn_in_iters=burn_in_iters,
    sup_views=sup_views,
    data_preprocessor=dict(data_preprocessor=pixels),
)
# Left out rather than None: a config that inherits from this one could not set a part over None.
if class_thresholds is not None:
    model.update(class_thresholds=class_thresholds)
if corrects_classes is not None:
    model.update(refiner=corrects_classes)

geometry = [
    _base_.flip,
    dict(_base_.resize, scale=image_size, ratio_range=resize_ratios),
    dict(_base_.crop, crop_size=image_size),
]
train_dataloader = dict(
    batch_size=batch_size,
    num_workers=num_workers,
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

train_cfg = dict(max_iters=max_iters, val_interval=max_iters // num_validations)
optim_wrapper = dict(optimizer=dict(lr=learning_rate))
if backbone_mode == 'tuned':
    optim_wrapper.update(_base_.instance.optim_wrapper)
# Ours. With the paper's schedule the rate drops after nine tenths (released code: 0.92).
param_scheduler = dict(end=max_iters, milestones=[max_iters * 9 // 10])
auto_scale_lr = dict(base_batch_size=batch_size)
default_hooks = dict(
    checkpoint=dict(interval=max_iters // num_validations),
    mean_teacher=dict(keep_rate=keep_rate),
    # Pseudo-labels end where they do harm, if the run continues from a supervised one.
    supervised_guard=dict(type='mmpldc.SupervisedGuardHook'),
)
if backbone_dtype is not None:
    default_hooks.update(fast_backbone=dict(type='mmpldc.FastBackboneHook', dtype=backbone_dtype))
if early_stopping is not None:
    default_hooks.update(
        early_stopping=dict(type='mmpldc.EarlyStoppingHook', patience=early_stopping)
    )
