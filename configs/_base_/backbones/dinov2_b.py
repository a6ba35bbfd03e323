"""DINOv2 ViT-B/14 (87 M parameters); otherwise as dinov2_s.py.

Rates of its layers and drop path are detectron2's in mask_rcnn_vitdet_b_100ep, DPT's channels
UniMatch V2's.
"""

_base_ = './dinov2_s.py'

vit = dict(
    name='vit_base_patch14_dinov2.lvd142m',
    init_cfg=dict(checkpoint='timm://vit_base_patch14_dinov2.lvd142m'),
)
vitdet = dict(neck=dict(in_channels=768))
dpt = dict(
    decode_head=dict(
        in_channels=(768, 768, 768, 768),
        embed_dims=768,
        post_process_channels=[96, 192, 384, 768],
        channels=128,
    )
)
instance = dict(
    frozen=dict(backbone=vit, detector=vitdet), tuned=dict(backbone=vit, detector=vitdet)
)
semantic = dict(frozen=dict(backbone=vit, segmentor=dpt), tuned=dict(backbone=vit, segmentor=dpt))
