"""The views of an image. A data set's config puts its geometry between load_* and *_views.

Geometry comes before MultiBranch, so that the weak and the strong view share it; what comes inside
keeps every pixel in its place. It is mmdet's, which moves label maps too and records what it does.
Mixing (CutMix and the like) happens in the model, after the teacher has labelled the weak view.
"""

flip = dict(type='RandomFlip', prob=0.5)
pack = dict(type='mmpldc.PackSegTrainingInputs')
branches = ['sup_weak', 'sup_strong', 'unsup_weak', 'unsup_strong', 'unsup_strong_2']
load_image = dict(type='LoadImageFromFile')
weak = [pack]

# unsup_strong of each method, before `pack`
imas_strong = [dict(type='mmpldc.RandomIntensity', num_operations=2)]  # released code
unimatch_strong = [  # released code; V1 and V2 alike
    dict(
        type='mmpldc.TorchvisionTransforms',
        transforms=[
            dict(
                type='ColorJitter', brightness=0.5, contrast=0.5, saturation=0.5, hue=0.25, prob=0.8
            ),
            dict(type='RandomGrayscale', p=0.2),
            # the kernel reaches 3 sigma
            dict(type='GaussianBlur', kernel_size=13, sigma=(0.1, 2.0), prob=0.5),
        ],
    ),
]

labeled_views = [dict(type='MultiBranch', branch_field=branches, sup_weak=weak)]
u2pl_unlabeled_views = [  # no colour augmentation: the student's image differs by mixing alone
    dict(type='MultiBranch', branch_field=branches, unsup_weak=weak),
]
imas_unlabeled_views = [
    dict(
        type='MultiBranch',
        branch_field=branches,
        unsup_weak=weak,
        unsup_strong=[*imas_strong, pack],
    ),
]
unimatch_unlabeled_views = [
    dict(
        type='MultiBranch',
        branch_field=branches,
        unsup_weak=weak,
        unsup_strong=[*unimatch_strong, pack],
        unsup_strong_2=[*unimatch_strong, pack],
    ),
]
