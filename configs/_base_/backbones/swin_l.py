"""Swin-L (195 M parameters), trained on ImageNet-22k at 384 x 384; otherwise as swin_s.py.

Numbers are mmdet's in mask2former_swin-l-p4-w12-384-in21k_16xb1-lsj-100e_coco-panoptic.
"""

_base_ = './swin_s.py'

swin = dict(
    pretrain_img_size=384,
    embed_dims=192,
    num_heads=[6, 12, 24, 48],
    window_size=12,
    init_cfg=dict(
        checkpoint='https://github.com/SwinTransformer/storage/releases/download/v1.0.0/swin_large_patch4_window12_384_22k.pth'
    ),
)
swin_detector = dict(panoptic_head=dict(in_channels=[192, 384, 768, 1536], num_queries=200))
upernet = dict(decode_head=dict(in_channels=[192, 384, 768, 1536]))
instance = dict(
    frozen=dict(backbone=swin, detector=swin_detector),
    tuned=dict(backbone=swin, detector=swin_detector),
)
semantic = dict(
    frozen=dict(backbone=swin, segmentor=upernet), tuned=dict(backbone=swin, segmentor=upernet)
)
coco_detector = None
