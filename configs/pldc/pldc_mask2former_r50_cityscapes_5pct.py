"""PL-DC (arXiv) on 5 % of Cityscapes. Published mask AP: 27.6 (the paper's Table 2)."""

_base_ = './pldc_mask2former_r50_cityscapes_10pct.py'

train_dataloader = dict(
    dataset=dict(split='annotations/semi_supervised/instancesonly_filtered_gtFine_train.1@5')
)
