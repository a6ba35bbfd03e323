"""PAIS on COCO: 4 labelled and 8 unlabelled images a step, four processes of 3 in its release.

Labelled images are seen weak only. Geometry and colours are PL-DC's: both views of an image must
share their geometry here, PAIS draws it for each and warps the masks.
"""

_base_ = [
    '../_base_/default_runtime.py',
    '../_base_/models/pais_r50.py',
    '../_base_/datasets/coco_semi.py',
    '../_base_/schedules/pais_220k.py',
]

labeled_views = _base_.weak_labeled_views
train_dataloader = dict(
    batch_size=12,
    sampler=dict(batch_size=12, source_ratio=[1, 2]),
    dataset=dict(
        labeled=dict(pipeline=[*_base_.load_labeled, *_base_.geometry, *labeled_views]),
    ),
)
