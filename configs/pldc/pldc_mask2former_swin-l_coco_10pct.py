"""PL-DC (arXiv) with Mask2Former and a frozen Swin-L on 10 % of COCO.

Not in the paper, so without a published mask AP. Guided Distillation reports 43.1 here with its
strongest backbone (34.1 on 1 %). docs/backbones.md: other backbones, fine-tuning.
"""

_base_ = ['./pldc_mask2former_r50_coco_10pct.py', '../_base_/backbones/swin_l.py']

model = _base_.instance.frozen
