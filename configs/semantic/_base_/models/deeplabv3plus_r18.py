"""DeepLabv3+ on ResNet-18, output stride 16, for small images on a CPU or a small GPU.

Channels are those of mmsegmentation's DeepLabv3+ of this depth.
"""

_base_ = './deeplabv3plus_r50.py'

backbone = dict(depth=18, init_cfg=dict(type='Pretrained', checkpoint='open-mmlab://resnet18_v1c'))
segmentor = dict(decode_head=dict(in_channels=512, channels=128, c1_in_channels=64, c1_channels=12))
