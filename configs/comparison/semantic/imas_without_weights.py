"""iMAS with equal weights for all images; views are still blended and mixed by their ease."""

_base_ = './_base.py'

model = dict(_base_.imas, unsup_loss=dict(type='mmpldc.WeakToStrongLoss', average='valid'))
train_dataloader = dict(
    dataset=dict(
        unlabeled=dict(pipeline=[_base_.load_image, *_base_.geometry, *_base_.imas_unlabeled_views])
    )
)
default_hooks = _base_.mean_teacher_teacher
