"""ResNet-101 (43 M parameters), trained on ImageNet-1k; otherwise as r50.py."""

_base_ = './r50.py'

resnet = dict(depth=101, init_cfg=dict(checkpoint='torchvision://resnet101'))
resnet_v1c = dict(depth=101, init_cfg=dict(checkpoint='open-mmlab://resnet101_v1c'))
instance = dict(frozen=dict(backbone=resnet), tuned=dict(backbone=resnet))
semantic = dict(frozen=dict(backbone=resnet_v1c), tuned=dict(backbone=resnet_v1c))
coco_detector = 'https://download.openmmlab.com/mmdetection/v3.0/mask2former/mask2former_r101_8xb2-lsj-50e_coco/mask2former_r101_8xb2-lsj-50e_coco_20220426_100250-ecf181e2.pth'
