"""iMAS with the whole strong view instead of one that is blended by an image's ease."""

_base_ = './_base.py'

strong, mixed = _base_.imas.student_views
model = dict(_base_.imas, student_views=[dict(strong, blend_by_ease=False), mixed])
train_dataloader = dict(
    dataset=dict(
        unlabeled=dict(pipeline=[_base_.load_image, *_base_.geometry, *_base_.imas_unlabeled_views])
    )
)
default_hooks = _base_.mean_teacher_teacher
