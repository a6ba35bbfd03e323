"""The baseline: Mask2Former R50 on 100 % of COCO's labels alone; 8 images a step, as in PL-DC.

Published mask AP: 43.5 (PL-DC's Table 1; its baseline's schedule is not printed).
"""

_base_ = './mask2former_r50_coco_5pct.py'

ann_file = 'annotations/instances_train2017.json'
train_dataloader = dict(dataset=dict(labeled=dict(ann_file=ann_file)))
