"""UniMatch V1 on Cityscapes, as released: crops of 801 pixels, all pixels count, half the rate.

The released runs have 240 epochs; here the schedule is that of the other methods.
"""

_base_ = './_base.py'

crop_size = (801, 801)
model = dict(
    _base_.unimatch,
    segmentor=dict(
        decode_head=dict(loss_decode=dict(min_kept=200_000)),
        test_cfg=dict(crop_size=crop_size),
    ),
    reliability=dict(type='mmpldc.ConfidentPixels', threshold=0.0),
    data_preprocessor=dict(data_preprocessor=dict(size=crop_size)),
)
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
optim_wrapper = dict(optimizer=dict(lr=0.005))
default_hooks = _base_.unimatch_teacher
