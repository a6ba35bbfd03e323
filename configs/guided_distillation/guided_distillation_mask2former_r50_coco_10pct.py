"""Guided Distillation with Mask2Former R50 on 10 % of COCO; 16 + 16 images a step.

Published mask AP: 35.0 (as PL-DC's Table 1 has it). Its teacher comes first:
`custom_hooks.0.teacher_checkpoint=work_dirs/teacher_mask2former_r50_coco_10pct/iter_368750.pth`.
"""

_base_ = './_base_coco.py'

split = 'annotations/semi_supervised/instances_train2017.1@10'
labeled = dict(ann_file=split + '.json')
unlabeled = dict(ann_file=split + '-unlabeled.json')
train_dataloader = dict(dataset=dict(labeled=labeled, unlabeled=unlabeled))
