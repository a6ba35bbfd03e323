"""What every run of semantic segmentation has in common.

The scope stays mmdet's, as in all configs here: types of mmsegmentation are written `mmseg.X`. A
bare `CrossEntropyLoss`, `RandomCrop` or `CityscapesDataset` is mmdet's.
"""

_base_ = '../../_base_/default_runtime.py'

default_hooks = dict(
    checkpoint=dict(save_best='teacher/mIoU'),
    visualization=dict(type='mmseg.SegVisualizationHook'),
)
visualizer = dict(type='mmseg.SegLocalVisualizer')
