"""PL-DC (arXiv) with Mask2Former R50 on 10 % of COCO; 8 + 8 images per step.

Published mask AP: 36.5 (the paper's Table 1).
"""

_base_ = [
    '../_base_/default_runtime.py',
    '../_base_/models/pldc_arxiv_r50.py',
    '../_base_/datasets/coco_semi.py',
    '../_base_/schedules/pldc_368k.py',
]

train_dataloader = dict(dataset=dict(split='annotations/semi_supervised/instances_train2017.1@10'))
