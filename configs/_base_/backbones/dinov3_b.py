"""DINOv3 ViT-B/16 (86 M parameters); otherwise as dinov3_s.py, with the settings of dinov2_b.py."""

_base_ = './dinov2_b.py'

vit = dict(
    name='vit_base_patch16_dinov3.lvd1689m',
    init_cfg=dict(checkpoint='timm://vit_base_patch16_dinov3.lvd1689m'),
)
dpt = dict(decode_head=dict(patch_size=16))
instance = dict(frozen=dict(backbone=vit), tuned=dict(backbone=vit))
semantic = dict(frozen=dict(backbone=vit, segmentor=dpt), tuned=dict(backbone=vit, segmentor=dpt))
