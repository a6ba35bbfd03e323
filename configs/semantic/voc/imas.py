"""iMAS on VOC, as released: multi-grid; the longer side becomes 250 to 1000 pixels."""

_base_ = './_base.py'

model = dict(_base_.imas, backbone=dict(multi_grid=_base_.multi_grid))
geometry = [_base_.imas_resize, _base_.flip, _base_.crop]
train_dataloader = dict(
    dataset=dict(
        labeled=dict(
            pipeline=[_base_.load_image, _base_.load_labels, *geometry, *_base_.labeled_views]
        ),
        unlabeled=dict(pipeline=[_base_.load_image, *geometry, *_base_.imas_unlabeled_views]),
    )
)
default_hooks = _base_.imas_teacher
