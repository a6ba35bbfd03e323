"""UniMatch V2 on Cityscapes: DINOv2-S and DPT, crops of 798 pixels, 180 epochs, as released.

Hard pixels are chosen as in V1 (ours). For ViT-B copy this file with `dinov2_b.py`. It needs timm.
"""

_base_ = ['./_base.py', '../../_base_/backbones/dinov2_s.py']

crop_size = (798, 798)
max_iters = 50040  # 180 epochs of 278 steps with 744 labelled images
batch_size = 16
tuned = _base_.semantic.tuned
decode_head = dict(
    tuned.segmentor.decode_head, loss_decode=dict(_base_.hard_pixels, min_kept=200_000)
)
model = dict(
    **_base_.unimatch_v2,
    backbone=tuned.backbone,
    segmentor=dict(
        tuned.segmentor,
        decode_head=decode_head,
        test_cfg=dict(crop_size=crop_size, stride=(532, 532)),
    ),
    data_preprocessor=dict(data_preprocessor=dict(size=crop_size)),
)
crop = dict(type='RandomCrop', crop_size=crop_size)
geometry = [_base_.unimatch_resize, _base_.flip, crop]
train_dataloader = dict(
    batch_size=batch_size,
    sampler=dict(batch_size=batch_size),
    dataset=dict(
        labeled=dict(
            pipeline=[_base_.load_image, _base_.load_labels, *geometry, *_base_.labeled_views]
        ),
        unlabeled=dict(pipeline=[_base_.load_image, *geometry, *_base_.unimatch_unlabeled_views]),
    ),
)
train_cfg = dict(max_iters=max_iters)
param_scheduler = dict(end=max_iters)
optim_wrapper = _base_.semantic.optim_wrapper
default_hooks = _base_.unimatch_v2_teacher
auto_scale_lr = dict(base_batch_size=batch_size)
