"""DINOv3 ViT-S/16 (22 M parameters), with four registers and rotary positions; as dinov2_s.py.

Its licence has conditions: docs/backbones.md. Its authors keep it frozen (arXiv 2508.10104); the
settings for fine-tuning are those of DINOv2.
"""

_base_ = './dinov2_s.py'

vit = dict(
    name='vit_small_patch16_dinov3.lvd1689m',
    init_cfg=dict(checkpoint='timm://vit_small_patch16_dinov3.lvd1689m'),
)
dpt = dict(decode_head=dict(patch_size=16))
instance = dict(frozen=dict(backbone=vit), tuned=dict(backbone=vit))
semantic = dict(frozen=dict(backbone=vit, segmentor=dpt), tuned=dict(backbone=vit, segmentor=dpt))
