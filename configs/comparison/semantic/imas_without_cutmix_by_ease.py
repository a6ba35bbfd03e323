"""iMAS with CutMix of half of the images with the next one, whatever their ease."""

_base_ = './_base.py'

strong, mixed = _base_.imas.student_views
model = dict(
    _base_.imas,
    student_views=[
        strong,
        dict(mixed, mix=dict(type='mmpldc.CutMix', boxes='shared_size', partner='next', prob=0.5)),
    ],
)
train_dataloader = dict(
    dataset=dict(
        unlabeled=dict(pipeline=[_base_.load_image, *_base_.geometry, *_base_.imas_unlabeled_views])
    )
)
default_hooks = _base_.mean_teacher_teacher
