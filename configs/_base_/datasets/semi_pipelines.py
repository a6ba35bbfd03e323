"""Pipelines of an image's two views. A data set's config adds geometry between load_* and *_views.

Geometry comes before MultiBranch, so that the weak and the strong view share it; transforms inside
it keep every pixel in its place. Padding comes last, in the model (released code: before the strong
view's transforms). All numbers: PL-DC, Table III. Guided Distillation's views have the same numbers
(its released code), but no erasing, and labelled images have only the weak view.
"""

# Sizes are (width, height). RandomResize fits an image into scale times a ratio in the range.
flip = dict(type='RandomFlip', prob=0.5)
resize = dict(
    type='RandomResize',
    scale=(1024, 1024),
    ratio_range=(0.1, 2.0),
    resize_type='Resize',
    keep_ratio=True,
)
# A smaller image is kept whole; the model's batch_augments pad it on the right and at the bottom.
crop = dict(
    type='RandomCrop',
    crop_size=(1024, 1024),
    crop_type='absolute',
    recompute_bbox=True,
    allow_negative_crop=True,
)

pack = dict(
    type='mmpldc.PackTrainingInputs',
    meta_keys=(
        'img_id',
        'img_path',
        'ori_shape',
        'img_shape',
        'scale_factor',
        'flip',
        'flip_direction',
        'homography_matrix',
    ),
)
strong = [
    dict(
        type='mmpldc.TorchvisionTransforms',
        transforms=[
            dict(
                type='ColorJitter', brightness=0.4, contrast=0.4, saturation=0.4, hue=0.1, prob=0.8
            ),
            dict(type='RandomGrayscale', p=0.2),
            # the kernel reaches 3 sigma
            dict(type='GaussianBlur', kernel_size=13, sigma=(0.1, 2.0), prob=0.5),
            # Upper ratios 6 and 8 are the released code's; the paper prints 0.6 and 0.8.
            dict(type='RandomErasing', p=0.7, scale=(0.05, 0.2), ratio=(0.3, 3.3), value='random'),
            dict(type='RandomErasing', p=0.5, scale=(0.02, 0.2), ratio=(0.1, 6), value='random'),
            dict(type='RandomErasing', p=0.3, scale=(0.02, 0.2), ratio=(0.05, 8), value='random'),
        ],
    ),
    pack,
]
branches = ['sup_weak', 'sup_strong', 'unsup_weak', 'unsup_strong']

load_labeled = [
    dict(type='LoadImageFromFile'),
    dict(type='mmpldc.LoadAnnotations', with_bbox=True, with_mask=True, max_instances=200),
]
# Drops instances that were cropped away; keep_empty=False keeps an image that lost all of them, as
# detectron2 does.
drop_cropped_away = dict(
    type='FilterAnnotations', min_gt_bbox_wh=(1e-5, 1e-5), by_mask=True, keep_empty=False
)
labeled_views = [
    drop_cropped_away,
    dict(type='MultiBranch', branch_field=branches, sup_weak=[pack], sup_strong=strong),
]
load_unlabeled = [
    dict(type='LoadImageFromFile'),
    dict(type='LoadEmptyAnnotations', with_bbox=True, with_mask=True),
]
unlabeled_views = [
    dict(type='MultiBranch', branch_field=branches, unsup_weak=[pack], unsup_strong=strong),
]
weak_labeled_views = [
    drop_cropped_away,
    dict(type='MultiBranch', branch_field=branches, sup_weak=[pack]),
]
guided_distillation_unlabeled_views = [
    dict(
        type='MultiBranch',
        branch_field=branches,
        unsup_weak=[pack],
        unsup_strong=[
            dict(strong[0], transforms=strong[0]['transforms'][:3]),  # before the erasing
            pack,
        ],
    ),
]

pack_evaluated = dict(
    type='PackDetInputs',
    meta_keys=('img_id', 'img_path', 'ori_shape', 'img_shape', 'scale_factor'),
)
