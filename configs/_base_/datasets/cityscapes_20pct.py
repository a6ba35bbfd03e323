"""Cityscapes, 20 % of train labelled: `tools/dataset/split.py ... --percent 20` (docs/data.md)."""

_base_ = './cityscapes_semi.py'

split = 'annotations/semi_supervised/instancesonly_filtered_gtFine_train.1@20'
labeled = dict(ann_file=split + '.json')
unlabeled = dict(ann_file=split + '-unlabeled.json')
train_dataloader = dict(dataset=dict(labeled=labeled, unlabeled=unlabeled))
