"""DeepLabv3+ on ResNet-101."""

_base_ = './deeplabv3plus_r50.py'

model = dict(
    backbone=dict(
        depth=101, init_cfg=dict(type='Pretrained', checkpoint='open-mmlab://resnet101_v1c')
    )
)
