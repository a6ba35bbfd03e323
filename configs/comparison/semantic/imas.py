"""iMAS, with the keep rate of the others."""

_base_ = './_base.py'

model = _base_.imas
train_dataloader = dict(
    dataset=dict(
        unlabeled=dict(pipeline=[_base_.load_image, *_base_.geometry, *_base_.imas_unlabeled_views])
    )
)
default_hooks = _base_.mean_teacher_teacher
