"""PL-DC (arXiv) on 20 % of Cityscapes. Published mask AP: 35.8 (the paper's Table 2)."""

_base_ = './pldc_mask2former_r50_cityscapes_10pct.py'

train_dataloader = dict(
    dataset=dict(split='annotations/semi_supervised/instancesonly_filtered_gtFine_train.1@20')
)
