"""ConvNeXt-S (49 M parameters), distilled from DINOv3; otherwise as dinov3_convnext_t.py.

Drop path: mmdet's cascade-mask-rcnn of ConvNeXt-S, mmsegmentation's convnext-small_upernet.
"""

_base_ = './dinov3_convnext_t.py'

convnext = dict(
    name='convnext_small.dinov3_lvd1689m',
    init_cfg=dict(checkpoint='timm://convnext_small.dinov3_lvd1689m'),
)
instance = dict(
    frozen=dict(backbone=convnext), tuned=dict(backbone=dict(convnext, drop_path_rate=0.6))
)
semantic = dict(
    frozen=dict(backbone=convnext), tuned=dict(backbone=dict(convnext, drop_path_rate=0.3))
)
