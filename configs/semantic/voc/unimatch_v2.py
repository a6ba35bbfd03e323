"""UniMatch V2 on VOC: DINOv2-S and DPT, crops of 518 pixels, 60 epochs, as released.

The decoder learns 40 times as fast as the transformer. For ViT-B copy this file with
`dinov2_b.py`. It needs timm.
"""

_base_ = ['./_base.py', '../../_base_/backbones/dinov2_s.py']

crop_size = (518, 518)
max_iters = 34200  # 60 epochs of 570 steps with 1,464 labelled images
model = dict(
    **_base_.unimatch_v2,
    **_base_.semantic.tuned,
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
train_cfg = dict(max_iters=max_iters)
param_scheduler = dict(end=max_iters)
optim_wrapper = _base_.semantic.optim_wrapper
default_hooks = _base_.unimatch_v2_teacher
