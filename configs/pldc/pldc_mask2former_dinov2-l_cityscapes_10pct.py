"""PL-DC (arXiv) with Mask2Former and a frozen DINOv2 ViT-L on 10 % of Cityscapes.

Not in the paper, so without a published mask AP. docs/configs.md: fine-tuning, other shares.
"""

_base_ = ['./pldc_mask2former_r50_cityscapes_10pct.py', '../_base_/backbones/dinov2_vit_l.py']

model = dict(
    backbone=dict(_delete_=True, frozen=True, **_base_.dinov2_vit_l),
    detector=_base_.dinov2_vit_l_detector,
)
