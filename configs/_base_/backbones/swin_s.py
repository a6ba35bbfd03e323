"""Swin-S (49 M parameters), trained on ImageNet-1k at 224 x 224; otherwise as swin_t.py.

Numbers are mmdet's in mask2former_swin-s-p4-w7-224_8xb2-lsj-50e_coco, and mmsegmentation's in
swin-small-patch4-window7-in1k-pre_upernet_8xb2-160k_ade20k-512x512.
"""

_base_ = './swin_t.py'

swin = dict(
    depths=[2, 2, 18, 2],
    init_cfg=dict(
        checkpoint='https://github.com/SwinTransformer/storage/releases/download/v1.0.0/swin_small_patch4_window7_224.pth'
    ),
)
swin_norms = _base_.swin_norms
instance = dict(
    frozen=dict(backbone=swin),
    tuned=dict(backbone=swin),
    optim_wrapper=dict(
        paramwise_cfg=dict(
            custom_keys={
                f'backbone.stages.2.blocks.{block}.norm': swin_norms for block in range(18)
            }
        )
    ),
)
semantic = dict(frozen=dict(backbone=swin), tuned=dict(backbone=swin))
coco_detector = 'https://download.openmmlab.com/mmdetection/v3.0/mask2former/mask2former_swin-s-p4-w7-224_8xb2-lsj-50e_coco/mask2former_swin-s-p4-w7-224_8xb2-lsj-50e_coco_20220504_001756-c9d0c4f2.pth'
