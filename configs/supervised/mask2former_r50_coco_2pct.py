"""The baseline: Mask2Former R50 on 2 % of COCO's labels alone; 8 images a step, as in PL-DC.

Published mask AP: 20.0 (PL-DC's Table 1; its baseline's schedule is not printed).
"""

_base_ = './mask2former_r50_coco_5pct.py'

ann_file = 'annotations/semi_supervised/instances_train2017.1@2.json'
train_dataloader = dict(dataset=dict(labeled=dict(ann_file=ann_file)))
