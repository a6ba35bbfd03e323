"""iMAS on generated scenes."""

_base_ = './_base.py'

model = _base_.imas
views = _base_.imas_unlabeled_views
train_dataloader = dict(
    dataset=dict(
        unlabeled=dict(pipeline=[_base_.load_image, *_base_.geometry, *views]),
    )
)
default_hooks = _base_.imas_teacher
