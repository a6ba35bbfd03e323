"""Guided Distillation with Mask2Former R50 on 5 % of Cityscapes; 16 + 16 images a step.

Published mask AP: 23.0 (as PL-DC's Table 2 has it). Its teacher comes first:
`custom_hooks.0.teacher_checkpoint=work_dirs/teacher_mask2former_r50_cityscapes_5pct/iter_90000.pth`.
"""

_base_ = './_base_cityscapes.py'

split = 'annotations/semi_supervised/instancesonly_filtered_gtFine_train.1@5'
labeled = dict(ann_file=split + '.json')
unlabeled = dict(ann_file=split + '-unlabeled.json')
train_dataloader = dict(dataset=dict(labeled=labeled, unlabeled=unlabeled))
