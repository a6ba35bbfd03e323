"""PL-DC (AAAI-26) with Mask2Former R50 on 10 % of COCO; 8 + 8 images per step.

Published mask AP: 36.8 (AAAI-26).
"""

_base_ = [
    '../_base_/default_runtime.py',
    '../_base_/models/pldc_aaai_r50.py',
    '../_base_/datasets/coco_semi.py',
    '../_base_/schedules/pldc_368k.py',
]

train_dataloader = dict(dataset=dict(split='annotations/semi_supervised/instances_train2017.1@10'))
