"""The baseline: Mask2Former R50 on 10 % of Cityscapes' labels alone; 4 images a step, as in PL-DC.

Published mask AP: 18.8 (PL-DC's Table 2; its baseline's schedule is not printed).
"""

_base_ = './mask2former_r50_cityscapes_5pct.py'

ann_file = 'annotations/semi_supervised/instancesonly_filtered_gtFine_train.1@10.json'
train_dataloader = dict(dataset=dict(labeled=dict(ann_file=ann_file)))
