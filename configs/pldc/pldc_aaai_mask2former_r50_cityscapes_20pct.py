"""PL-DC (AAAI-26) with Mask2Former R50 on 20 % of Cityscapes; 4 + 4 images a step.

Published mask AP: 36.1 (AAAI-26).
"""

_base_ = [
    '../_base_/default_runtime.py',
    '../_base_/models/pldc_aaai_r50.py',
    '../_base_/datasets/cityscapes_20pct.py',
    '../_base_/schedules/pldc_cityscapes_180k.py',
]
model = dict(refiner=dict(scorer=dict(descriptions='cityscapes')), **_base_.cityscapes_model)
