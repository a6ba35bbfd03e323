"""PL-DC (arXiv) on 30 % of Cityscapes. Published mask AP: 37.6 (the paper's Table 2)."""

_base_ = './pldc_mask2former_r50_cityscapes_10pct.py'

train_dataloader = dict(
    dataset=dict(split='annotations/semi_supervised/instancesonly_filtered_gtFine_train.1@30')
)
