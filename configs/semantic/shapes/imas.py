"""iMAS (CVPR-23): images weighed by their ease, adaptive intensity and adaptive CutMix.

Numbers are the released code's on VOC, lambda 3 included.
"""

_base_ = './_base.py'

model = dict(
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
views = _base_.imas_unlabeled_views
train_dataloader = dict(
    dataset=dict(
        unlabeled=dict(pipeline=[_base_.load_image, *_base_.geometry, *views]),
    )
)
default_hooks = dict(mean_teacher=dict(keep_rate=0.996))
