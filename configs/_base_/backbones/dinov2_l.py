"""DINOv2 ViT-L/14 (304 M parameters); otherwise as dinov2_s.py.

Rates of its layers and drop path are detectron2's in mask_rcnn_vitdet_l_100ep, DPT's layers and
channels UniMatch V2's.
"""

_base_ = './dinov2_s.py'

vit = dict(
    name='vit_large_patch14_dinov2.lvd142m',
    init_cfg=dict(checkpoint='timm://vit_large_patch14_dinov2.lvd142m'),
)
vitdet = dict(neck=dict(in_channels=1024))
dpt = dict(
    decode_head=dict(
        in_channels=(1024, 1024, 1024, 1024),
        embed_dims=1024,
        post_process_channels=[256, 512, 1024, 1024],
        channels=256,
    )
)
instance = dict(
    frozen=dict(backbone=dict(vit, out_indices=(23,)), detector=vitdet),
    tuned=dict(backbone=dict(vit, out_indices=(23,), drop_path_rate=0.4), detector=vitdet),
    optim_wrapper=dict(paramwise_cfg=dict(layer_decay_rate=0.8)),
)
semantic = dict(
    frozen=dict(backbone=dict(vit, out_indices=(4, 11, 17, 23)), segmentor=dpt),
    tuned=dict(backbone=dict(vit, out_indices=(4, 11, 17, 23)), segmentor=dpt),
)
