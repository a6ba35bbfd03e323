"""Model and data of the quickstart: a small Mask2Former on generated 96 x 96 scenes.

Its head and its schedule of 2,000 steps are those of `_base_`. All numbers were chosen on the
tuning split, for two CPU cores; docs/quickstart.md describes the trials.
"""

_base_ = [
    '../_base_/default_runtime.py',
    '../_base_/models/mask2former_r50_tiny.py',
    '../_base_/datasets/semi_pipelines.py',
    '../_base_/schedules/tiny.py',
]

metainfo = dict(
    classes=('disc', 'gear', 'square', 'cross', 'pentagram', 'hexagram', 'triangle', 'trefoil'),
    palette=[
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
# Annotations of the unlabelled images, for oracles alone.
hidden = data_root + 'annotations/unlabeled_hidden.json'
# Labels of the unlabelled images by another model, below data_root, for weak_labels.py alone.
weak = 'annotations/weak_labels.json'
image_size = (96, 96)
burn_in_iters = 600

model = dict(
    backbone=dict(
        depth=18,
        base_channels=32,
        stem_channels=32,
        frozen_stages=-1,
        norm_cfg=dict(type='BN', requires_grad=True),
        norm_eval=False,
        init_cfg=None,
    ),
    detector=dict(panoptic_head=dict(in_channels=[32, 64, 128, 256], num_queries=12)),
    num_classes=len(metainfo['classes']),
    burn_in_iters=burn_in_iters,
    joint_forward=False,  # batch norms train
    # small scenes are padded to the largest of their batch
    data_preprocessor=dict(data_preprocessor=dict(batch_augments=None)),
)

geometry = [
    dict(_base_.flip, direction=['horizontal', 'vertical']),
    dict(_base_.resize, scale=image_size, ratio_range=(0.8, 1.25)),
    dict(_base_.crop, crop_size=image_size),
]
# Milder than the paper's Table III: hue distinguishes some of these classes, and three erasures
# would cover most of a small scene.
photometric = dict(
    type='mmpldc.TorchvisionTransforms',
    transforms=[
        dict(type='ColorJitter', brightness=0.4, contrast=0.4, saturation=0.4, hue=0.02, prob=0.8),
        dict(type='GaussianBlur', kernel_size=5, sigma=(0.1, 1.0), prob=0.3),
        dict(type='RandomErasing', p=0.5, scale=(0.02, 0.1), ratio=(0.3, 3.3), value='random'),
    ],
)
views = dict(type='MultiBranch', branch_field=_base_.branches)
strong = [photometric, _base_.pack]
labeled = dict(
    type='CocoDataset',
    data_root=data_root,
    ann_file='annotations/labeled.json',
    data_prefix=dict(img='images/train/'),
    metainfo=metainfo,
    filter_cfg=dict(filter_empty_gt=True),
    pipeline=[
        *_base_.load_labeled,
        *geometry,
        _base_.drop_cropped_away,
        dict(sup_strong=strong, **views),
    ],
)
unlabeled = dict(
    type='CocoDataset',
    data_root=data_root,
    ann_file='annotations/unlabeled.json',
    data_prefix=dict(img='images/train/'),
    metainfo=metainfo,
    filter_cfg=dict(filter_empty_gt=False),
    pipeline=[
        *_base_.load_unlabeled,
        *geometry,
        dict(unsup_weak=[_base_.pack], unsup_strong=strong, **views),
    ],
)
evaluated = dict(
    type='CocoDataset',
    data_root=data_root,
    metainfo=metainfo,
    test_mode=True,
    pipeline=[
        dict(type='LoadImageFromFile'),
        dict(type='mmpldc.LoadAnnotations', with_bbox=True, with_mask=True, check=False),
        _base_.pack_evaluated,
    ],
)
in_order = dict(batch_size=16, num_workers=0, sampler=dict(type='DefaultSampler', shuffle=False))
# Runs are validated on the tuning split; the test split is read once, for the report.
val_dataloader = dict(
    dataset=dict(
        ann_file='annotations/tuning.json', data_prefix=dict(img='images/tuning/'), **evaluated
    ),
    **in_order,
)
test_dataloader = dict(
    dataset=dict(
        ann_file='annotations/test.json', data_prefix=dict(img='images/test/'), **evaluated
    ),
    **in_order,
)
val_evaluator = dict(
    type='CocoMetric', ann_file=data_root + 'annotations/tuning.json', metric='segm'
)
test_evaluator = dict(
    type='CocoMetric', ann_file=data_root + 'annotations/test.json', metric='segm'
)

# All are kept, because PL-DC continues from the one at the burn-in boundary. No best one is kept,
# because a run that continues from another's checkpoint would replace that run's best.
default_hooks = dict(
    checkpoint=dict(interval=200, max_keep_ckpts=-1, save_best=None),
    mean_teacher=dict(keep_rate=0.99),
)
