"""Model and data of the quickstart: a small Mask2Former on generated 96 x 96 scenes.

All numbers were chosen on the tuning split, for two CPU cores; docs/quickstart.md describes the
trials.
"""

_base_ = [
    '../_base_/default_runtime.py',
    '../_base_/models/mask2former_r50.py',
    '../_base_/datasets/semi_pipelines.py',
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
image_size = (96, 96)
channels = 64

max_iters = 2000
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
    detector=dict(
        panoptic_head=dict(
            in_channels=[32, 64, 128, 256],
            feat_channels=channels,
            out_channels=channels,
            num_queries=12,
            pixel_decoder=dict(
                norm_cfg=dict(num_groups=8),
                encoder=dict(
                    num_layers=1,
                    layer_cfg=dict(
                        self_attn_cfg=dict(embed_dims=channels, num_heads=4),
                        ffn_cfg=dict(embed_dims=channels, feedforward_channels=256),
                    ),
                ),
                positional_encoding=dict(num_feats=channels // 2),
            ),
            positional_encoding=dict(num_feats=channels // 2),
            transformer_decoder=dict(
                num_layers=3,
                layer_cfg=dict(
                    self_attn_cfg=dict(embed_dims=channels, num_heads=4),
                    cross_attn_cfg=dict(embed_dims=channels, num_heads=4),
                    ffn_cfg=dict(embed_dims=channels, feedforward_channels=256),
                ),
            ),
        ),
        train_cfg=dict(num_points=512),
        test_cfg=dict(max_per_image=20),
    ),
    num_classes=len(metainfo['classes']),
    pseudo_label_filter=dict(duplicate_iou=0.6),
    burn_in_iters=burn_in_iters,
    sup_views=['sup_strong'],
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

train_cfg = dict(type='mmpldc.AccumulatingTrainLoop', max_iters=max_iters, val_interval=500)
val_cfg = dict(type='mmpldc.TeacherStudentValLoop', student_interval=0)
test_cfg = dict(type='TestLoop')
optim_wrapper = dict(
    type='mmpldc.GuardedOptimWrapper',
    optimizer=dict(type='AdamW', lr=1e-3, weight_decay=0.05, betas=(0.9, 0.999)),
    clip_grad=dict(max_norm=1.0, norm_type=2),
)
param_scheduler = [
    dict(type='LinearLR', start_factor=0.01, by_epoch=False, begin=0, end=100),
    dict(
        type='CosineAnnealingLR',
        by_epoch=False,
        begin=100,
        end=max_iters,
        T_max=max_iters - 100,
        eta_min=1e-5,
    ),
]
# All are kept, because PL-DC continues from the one at the burn-in boundary. No best one is kept,
# because a run that continues from another's checkpoint would replace that run's best.
default_hooks = dict(
    checkpoint=dict(interval=200, max_keep_ckpts=-1, save_best=None),
    mean_teacher=dict(keep_rate=0.99),
)
