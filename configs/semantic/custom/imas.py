"""iMAS on your own images; a first class called background does not count for their ease."""

_base_ = './_base.py'

model = dict(
    _base_.imas,
    ease=dict(
        threshold=0.95, ignore_class=0 if _base_.classes[0].lower() == 'background' else None
    ),
)
train_dataloader = dict(
    dataset=dict(unlabeled=dict(pipeline=[*_base_.load_unlabeled, *_base_.imas_unlabeled_views]))
)
default_hooks = _base_.imas_teacher
