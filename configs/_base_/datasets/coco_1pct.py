"""COCO, 1 % of train2017 labelled: `tools/dataset/split.py ... --percent 1` (docs/data.md)."""

_base_ = './coco_semi.py'

split = 'annotations/semi_supervised/instances_train2017.1@1'
labeled = dict(ann_file=split + '.json')
unlabeled = dict(ann_file=split + '-unlabeled.json')
train_dataloader = dict(dataset=dict(labeled=labeled, unlabeled=unlabeled))
