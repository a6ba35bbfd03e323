"""UniMatch V1. It has no teacher: what is tested is the student."""

_base_ = './_base.py'

model = _base_.unimatch
train_dataloader = dict(
    dataset=dict(
        unlabeled=dict(
            pipeline=[_base_.load_image, *_base_.geometry, *_base_.unimatch_unlabeled_views]
        )
    )
)
default_hooks = _base_.unimatch_teacher
