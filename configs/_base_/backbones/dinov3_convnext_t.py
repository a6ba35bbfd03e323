"""ConvNeXt-T (28 M parameters), distilled from DINOv3, by timm; for semantic with UPerNet.

Its licence has conditions: docs/backbones.md, which also says where the variables go. Fine-tuning:
for instances a tenth of the rate as in Mask2Former, drop path as in mmdet's cascade-mask-rcnn of
ConvNeXt-T; semantic mmsegmentation's in convnext-tiny_upernet, without its decay by stages and its
auxiliary head.
"""

convnext = dict(
    _delete_=True,
    type='mmpldc.TimmBackbone',
    name='convnext_tiny.dinov3_lvd1689m',
    out_indices=(0, 1, 2, 3),
    norm_maps=True,
    init_cfg=dict(type='Pretrained', checkpoint='timm://convnext_tiny.dinov3_lvd1689m'),
)
convnext_detector = dict(panoptic_head=dict(in_channels=[96, 192, 384, 768]))
instance = dict(
    frozen=dict(backbone=dict(convnext, frozen=True), detector=convnext_detector),
    tuned=dict(backbone=dict(convnext, drop_path_rate=0.4), detector=convnext_detector),
    optim_wrapper=dict(
        paramwise_cfg=dict(custom_keys=dict(backbone=dict(lr_mult=0.1, decay_mult=1.0)))
    ),
)
upernet = dict(
    decode_head=dict(
        _delete_=True,
        type='mmseg.UPerHead',
        in_channels=[96, 192, 384, 768],
        in_index=[0, 1, 2, 3],
        pool_scales=(1, 2, 3, 6),
        channels=512,
        dropout_ratio=0.1,
        num_classes=21,
        norm_cfg=dict(type='SyncBN', requires_grad=True),
        align_corners=False,
        loss_decode=dict(
            type='mmseg.CrossEntropyLoss', use_sigmoid=False, avg_non_ignore=True, loss_weight=1.0
        ),
    ),
    auxiliary_head=None,
)
semantic = dict(
    frozen=dict(backbone=dict(convnext, frozen=True), segmentor=upernet),
    tuned=dict(backbone=dict(convnext, drop_path_rate=0.4), segmentor=upernet),
    optim_wrapper=dict(
        optimizer=dict(_delete_=True, type='AdamW', lr=1e-4, betas=(0.9, 0.999), weight_decay=0.05),
        paramwise_cfg=dict(_delete_=True),
    ),
)
coco_detector = None
