"""PL-DC (arXiv) with Mask2Former R50 on 10 % of Cityscapes; 4 + 4 images per step.

Published mask AP: 33.1 (the paper's Table 2).
"""

_base_ = [
    '../_base_/default_runtime.py',
    '../_base_/models/pldc_arxiv_r50.py',
    '../_base_/datasets/cityscapes_semi.py',
    '../_base_/schedules/pldc_cityscapes_180k.py',
]

model = _base_.cityscapes_model
train_dataloader = dict(
    dataset=dict(split='annotations/semi_supervised/instancesonly_filtered_gtFine_train.1@10')
)
