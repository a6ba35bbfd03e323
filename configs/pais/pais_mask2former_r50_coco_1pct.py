"""PAIS on 1 % of COCO.

Published mask AP: 21.1 (as quoted in PL-DC's Table 1), or in its abstract 21.2 with Mask R-CNN and
19.9 with K-Net; none of these is with Mask2Former.
"""

_base_ = './pais_mask2former_r50_coco_10pct.py'

train_dataloader = dict(dataset=dict(split='annotations/semi_supervised/instances_train2017.1@1'))
