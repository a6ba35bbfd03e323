"""UniMatch V2 on VOC: DINOv2-S and DPT, crops of 518 pixels, 60 epochs, as released.

The decoder learns 40 times as fast as the transformer. For ViT-B merge `_base_.backbone_base` and
`_base_.head_base`. It needs mmpretrain.
"""

_base_ = [
    '../_base_/runtime.py',
    '../_base_/datasets/voc.py',
    '../_base_/models/dpt_dinov2_small.py',
    '../_base_/schedules/voc_80e.py',
    '../_base_/methods.py',
]

crop_size = (518, 518)
max_iters = 34200  # 60 epochs of 570 steps with 1,464 labelled images
model = dict(
    _base_.unimatch_v2,
    type='mmpldc.SemiSegmentor',
    backbone=_base_.backbone,
    segmentor=_base_.segmentor,
    num_classes=21,
    burn_in_iters=0,
    data_preprocessor=dict(
        type='mmpldc.MultiBranchDataPreprocessor', data_preprocessor=_base_.preprocessor
    ),
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
optim_wrapper = dict(
    optimizer=dict(_delete_=True, type='AdamW', lr=5e-6, weight_decay=0.01),
    paramwise_cfg=dict(custom_keys={'decode_head': dict(lr_mult=40.0)}),
)
default_hooks = _base_.unimatch_v2_teacher
