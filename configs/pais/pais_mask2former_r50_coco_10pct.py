"""PAIS with Mask2Former R50 on 10 % of COCO; 4 + 8 images a step.

Published mask AP: 31.0 (as PL-DC's Table 1 has it), of another model.
"""

_base_ = './_base_coco.py'

split = 'annotations/semi_supervised/instances_train2017.1@10'
labeled = dict(ann_file=split + '.json')
unlabeled = dict(ann_file=split + '-unlabeled.json')
train_dataloader = dict(dataset=dict(labeled=labeled, unlabeled=unlabeled))
