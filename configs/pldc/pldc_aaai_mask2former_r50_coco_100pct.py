"""PL-DC (AAAI-26), all of COCO and unlabeled2017. Published mask AP: 48.8 (AAAI-26)."""

_base_ = './pldc_aaai_mask2former_r50_coco_10pct.py'

model = dict(burn_in_iters=60000)  # released code
train_dataloader = dict(dataset=_base_.all_of_coco)
