"""PL-DC (arXiv) with Mask2Former and a frozen Swin-L on 10 % of Cityscapes.

Not in the paper, so without a published mask AP. docs/configs.md: fine-tuning, other shares.
"""

_base_ = ['./pldc_mask2former_r50_cityscapes_10pct.py', '../_base_/backbones/swin_l.py']

model = dict(
    backbone=dict(_delete_=True, frozen_stages=4, **_base_.swin_l),
    detector=_base_.swin_l_detector,
)
