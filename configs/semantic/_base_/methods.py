"""The methods' parts of `model`, and their teachers, with the numbers that they have on VOC.

A config takes `model = _base_.u2pl` and `default_hooks = _base_.u2pl_teacher`, and replaces what
its data set needs.
"""

# Mean teacher with CutMix: confident pixels of half of each image's area from another one.
# The mixing and the teacher are U2PL's, the threshold and the average UniMatch's.
mean_teacher = dict(
    reliability=dict(type='mmpldc.ConfidentPixels', threshold=0.95),
    student_views=[
        dict(view='unsup_weak', mix=dict(type='mmpldc.CutMix', boxes='half_area', prob=1.0))
    ],
    unsup_loss=dict(type='mmpldc.WeakToStrongLoss', average='valid'),
)
mean_teacher_teacher = dict(mean_teacher=dict(keep_rate=0.99, ramp_up='updates'))

# U2PL (CVPR-22): entropy percentile, CutMix in half of the steps, contrast with unreliable pixels.
# Released code; the weight of the contrast is the paper's. It needs a RepresentationASPPHead.
u2pl = dict(
    reliability=dict(
        type='mmpldc.EntropyPercentile',
        unreliable_share=dict(type='mmpldc.Ramp', start=0.2, end=0.0, begin=0),
    ),
    student_views=[
        dict(
            view='unsup_weak',
            mix=dict(type='mmpldc.CutMix', boxes='half_area', prob=0.5, per_batch=True),
        )
    ],
    unsup_loss=dict(type='mmpldc.WeakToStrongLoss', average='reliable'),
    contrast=dict(
        type='mmpldc.PixelContrast',
        channels=256,
        low_rank=3,
        high_rank=20,
        capacity=30_000,
        background_capacity=50_000,
        loss_weight=0.1,
    ),
)
u2pl_teacher = mean_teacher_teacher

# iMAS (CVPR-23): images weighed by their ease, adaptive intensity and adaptive CutMix. Released
# code. It needs imas_unlabeled_views.
imas = dict(
    reliability=dict(type='mmpldc.ConfidentPixels', threshold=0.95),
    ease=dict(threshold=0.95, ignore_class=0),  # the background
    student_views=[
        dict(view='unsup_strong', blend_by_ease=True),
        dict(
            view='unsup_weak',
            mix=dict(type='mmpldc.CutMix', boxes='shared_size', partner='by_ease', prob=None),
        ),
    ],
    unsup_loss=dict(type='mmpldc.WeakToStrongLoss', average='image'),
    unsup_weight=3.0,
)
imas_teacher = dict(mean_teacher=dict(keep_rate=0.996, ramp_up='updates'))

# UniMatch V1 (CVPR-23): two strong views with CutMix, and a weak one with channels dropped.
# Released code. It has no teacher: here the teacher mirrors the student. It needs
# unimatch_unlabeled_views.
unimatch_mix = dict(type='mmpldc.CutMix', boxes='random_area', partner='reversed', prob=0.5)
unimatch = dict(
    reliability=dict(type='mmpldc.ConfidentPixels', threshold=0.95),
    student_views=[
        dict(view='unsup_strong', mix=unimatch_mix, weight=0.25),
        dict(view='unsup_strong_2', mix=unimatch_mix, weight=0.25),
        dict(view='unsup_weak', feature_dropout=0.5, weight=0.5),
    ],
    unsup_loss=dict(type='mmpldc.WeakToStrongLoss', average='valid'),
    sup_weight=0.5,
    unsup_weight=0.5,
)
unimatch_teacher = dict(mean_teacher=dict(keep_rate=0.0, ramp_up=None))

# UniMatch V2 (2024): an EMA teacher, two strong views that lose complementary channels. Released
# code. It needs unimatch_unlabeled_views, and was published on DINOv2.
unimatch_v2 = dict(
    unimatch,
    student_views=[
        dict(view='unsup_strong', mix=unimatch_mix, feature_dropout=0.5),
        dict(
            view='unsup_strong_2',
            mix=unimatch_mix,
            feature_dropout=0.5,
            complements='unsup_strong',
        ),
    ],
)
unimatch_v2_teacher = dict(mean_teacher=dict(keep_rate=0.996, ramp_up='updates'))
