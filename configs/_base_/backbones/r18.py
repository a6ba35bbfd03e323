"""ResNet-18 (11 M parameters), for small images on a CPU or a small GPU; otherwise as r50.py.

Channels of the decoder are those of mmsegmentation's DeepLabv3+ of this depth.
"""

_base_ = './r50.py'

resnet = dict(depth=18, init_cfg=dict(checkpoint='torchvision://resnet18'))
resnet_detector = dict(panoptic_head=dict(in_channels=[64, 128, 256, 512]))
resnet_v1c = dict(depth=18, init_cfg=dict(checkpoint='open-mmlab://resnet18_v1c'))
resnet_segmentor = dict(
    decode_head=dict(in_channels=512, channels=128, c1_in_channels=64, c1_channels=12)
)
instance = dict(
    frozen=dict(backbone=resnet, detector=resnet_detector),
    tuned=dict(backbone=resnet, detector=resnet_detector),
)
semantic = dict(
    frozen=dict(backbone=resnet_v1c, segmentor=resnet_segmentor),
    tuned=dict(backbone=resnet_v1c, segmentor=resnet_segmentor),
)
coco_detector = None
