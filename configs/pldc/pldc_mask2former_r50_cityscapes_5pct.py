"""PL-DC (arXiv) with Mask2Former R50 on 5 % of Cityscapes; 4 + 4 images a step.

Published mask AP: 27.6 (the paper's Table 2).
"""

_base_ = [
    '../_base_/default_runtime.py',
    '../_base_/models/pldc_arxiv_r50.py',
    '../_base_/datasets/cityscapes_5pct.py',
    '../_base_/schedules/pldc_cityscapes_180k.py',
]
model = _base_.cityscapes_model
