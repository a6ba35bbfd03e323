"""PAIS with Mask2Former R50 on 1 % of COCO; 4 + 8 images a step.

Published mask AP: 21.1 (as PL-DC's Table 1 has it), or by its abstract 21.2 with Mask R-CNN and
19.9 with K-Net; none of these is Mask2Former's.
"""

_base_ = './_base_coco.py'

split = 'annotations/semi_supervised/instances_train2017.1@1'
labeled = dict(ann_file=split + '.json')
unlabeled = dict(ann_file=split + '-unlabeled.json')
train_dataloader = dict(dataset=dict(labeled=labeled, unlabeled=unlabeled))
