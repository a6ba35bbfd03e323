"""ResNet-50 (24 M parameters), trained on ImageNet-1k: what the models of ../models have.

docs/backbones.md says where the variables go, and the source and the licence of the weights.
Fine-tuning for instances, a tenth of the rate: Mask2Former (arXiv 2112.01527). Semantic methods
train all of it by their own schedules.
"""

instance = dict(
    frozen=dict(
        backbone=dict(
            type='ResNet',
            depth=50,
            frozen_stages=4,
            init_cfg=dict(type='Pretrained', checkpoint='torchvision://resnet50'),
        ),
        detector=dict(panoptic_head=dict(in_channels=[256, 512, 1024, 2048])),
    ),
    tuned=dict(
        backbone=dict(
            type='ResNet',
            depth=50,
            frozen_stages=-1,
            init_cfg=dict(type='Pretrained', checkpoint='torchvision://resnet50'),
        ),
        detector=dict(panoptic_head=dict(in_channels=[256, 512, 1024, 2048])),
    ),
    optim_wrapper=dict(
        paramwise_cfg=dict(custom_keys=dict(backbone=dict(lr_mult=0.1, decay_mult=1.0)))
    ),
)
semantic = dict(
    frozen=dict(
        backbone=dict(
            depth=50,
            frozen_stages=4,
            norm_cfg=dict(requires_grad=False),
            norm_eval=True,
            init_cfg=dict(checkpoint='open-mmlab://resnet50_v1c'),
        ),
        segmentor=dict(decode_head=dict(in_channels=2048)),
    ),
    tuned=dict(
        backbone=dict(depth=50, init_cfg=dict(checkpoint='open-mmlab://resnet50_v1c')),
        segmentor=dict(decode_head=dict(in_channels=2048)),
    ),
    optim_wrapper=dict(),
)
# mmdet's Mask2Former of COCO on this backbone
coco_detector = 'https://download.openmmlab.com/mmdetection/v3.0/mask2former/mask2former_r50_8xb2-lsj-50e_coco/mask2former_r50_8xb2-lsj-50e_coco_20220506_191028-41b088b6.pth'
