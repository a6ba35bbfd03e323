"""PL-DC (arXiv) with Mask2Former and a frozen Swin-L on 5 % of Cityscapes; 4 + 4 images a step.

Beyond the paper, so without a published mask AP. docs/configs.md: how to fine-tune it.
"""

_base_ = ['./pldc_mask2former_r50_cityscapes_5pct.py', '../_base_/backbones/swin_l.py']

model = dict(
    backbone=dict(_delete_=True, frozen_stages=4, **_base_.swin_l),
    detector=_base_.swin_l_detector,
)
