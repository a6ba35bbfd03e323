"""PL-DC (AAAI-26) with Mask2Former R50 on 10 % of Cityscapes; 4 + 4 images per step.

Published mask AP: 32.6 (AAAI-26).
"""

_base_ = [
    '../_base_/default_runtime.py',
    '../_base_/models/pldc_aaai_r50.py',
    '../_base_/datasets/cityscapes_semi.py',
    '../_base_/schedules/pldc_cityscapes_180k.py',
]

model = dict(refiner=dict(scorer=dict(descriptions='cityscapes')), **_base_.cityscapes_model)
train_dataloader = dict(
    dataset=dict(split='annotations/semi_supervised/instancesonly_filtered_gtFine_train.1@10')
)
