"""UniMatch V1 on your own images."""

_base_ = './_base.py'

model = _base_.unimatch
train_dataloader = dict(
    dataset=dict(
        unlabeled=dict(pipeline=[*_base_.load_unlabeled, *_base_.unimatch_unlabeled_views])
    )
)
default_hooks = _base_.unimatch_teacher
