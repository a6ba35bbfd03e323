"""PL-DC (AAAI-26) on 5 % of Cityscapes. Published mask AP: 28.5 (AAAI-26)."""

_base_ = './pldc_aaai_mask2former_r50_cityscapes_10pct.py'

train_dataloader = dict(
    dataset=dict(split='annotations/semi_supervised/instancesonly_filtered_gtFine_train.1@5')
)
