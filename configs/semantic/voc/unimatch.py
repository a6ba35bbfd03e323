"""UniMatch V1 on VOC, as released with crops of 321 pixels."""

_base_ = './_base.py'

crop_size = (321, 321)
model = dict(_base_.unimatch, data_preprocessor=dict(data_preprocessor=dict(size=crop_size)))
crop = dict(type='RandomCrop', crop_size=crop_size)
geometry = [_base_.unimatch_resize, _base_.flip, crop]
train_dataloader = dict(
    dataset=dict(
        labeled=dict(
            pipeline=[_base_.load_image, _base_.load_labels, *geometry, *_base_.labeled_views]
        ),
        unlabeled=dict(pipeline=[_base_.load_image, *geometry, *_base_.unimatch_unlabeled_views]),
    )
)
default_hooks = _base_.unimatch_teacher
