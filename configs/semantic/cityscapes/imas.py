"""iMAS on Cityscapes, as released, but for class 0: it is road here, and counts.

The released runs have 240 epochs; here the schedule is that of the other methods.
"""

_base_ = './_base.py'

model = dict(
    _base_.imas,
    backbone=dict(multi_grid=_base_.multi_grid),
    segmentor=dict(auxiliary_head=_base_.auxiliary_head),
    reliability=dict(type='mmpldc.ConfidentPixels', threshold=0.7),
    ease=dict(threshold=0.7, ignore_class=None),
)
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
