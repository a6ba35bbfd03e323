"""UniMatch V1 (CVPR-23): two strong views with CutMix, and a weak one with channels dropped.

Numbers are the released code's on VOC. It has no teacher: here it mirrors the student.
"""

_base_ = './_base.py'

cut_mix = dict(type='mmpldc.CutMix', boxes='random_area', partner='reversed', prob=0.5)
model = dict(
    reliability=dict(type='mmpldc.ConfidentPixels', threshold=0.95),
    student_views=[
        dict(view='unsup_strong', mix=cut_mix, weight=0.25),
        dict(view='unsup_strong_2', mix=cut_mix, weight=0.25),
        dict(view='unsup_weak', feature_dropout=0.5, weight=0.5),
    ],
    unsup_loss=dict(type='mmpldc.WeakToStrongLoss', average='valid'),
    sup_weight=0.5,
    unsup_weight=0.5,
)
views = _base_.unimatch_unlabeled_views
train_dataloader = dict(
    dataset=dict(
        unlabeled=dict(pipeline=[_base_.load_image, *_base_.geometry, *views]),
    )
)
default_hooks = dict(mean_teacher=dict(keep_rate=0.0, ramp_up=None))
