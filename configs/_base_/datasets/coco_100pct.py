"""COCO, all of train2017 labelled, unlabeled2017 unlabelled.

The unlabelled file is image_info_unlabeled2017.json with train2017's categories, made by
`tools/dataset/split.py ... --unlabeled` (docs/data.md).
"""

_base_ = './coco_semi.py'

labeled = dict(ann_file='annotations/instances_train2017.json')
unlabeled = dict(
    ann_file='annotations/semi_supervised/instances_train2017.1@100-unlabeled.json',
    data_prefix=dict(img='unlabeled2017/'),
)
train_dataloader = dict(dataset=dict(labeled=labeled, unlabeled=unlabeled))
