"""DINOv2 ViT-S/14 (22 M parameters) by timm; for instances with ViTDet's pyramid, else with DPT.

docs/backbones.md says where the variables go, and the source and the licence of the weights.
Fine-tuning: for instances ViTDet's layer-wise rates and drop path (detectron2's mask_rcnn_vitdet;
ViT-B's for this size, ours); semantic UniMatch V2's released code, whose decoder learns 40 times as
fast.
"""

vit = dict(
    _delete_=True,
    type='mmpldc.TimmBackbone',
    name='vit_small_patch14_dinov2.lvd142m',
    dynamic_img_size=True,
    init_cfg=dict(type='Pretrained', checkpoint='timm://vit_small_patch14_dinov2.lvd142m'),
)
last_map = dict(out_indices=(11,), stride=16)
vitdet = dict(
    neck=dict(type='mmpldc.SimpleFeaturePyramid', in_channels=384, out_channels=256),
    panoptic_head=dict(in_channels=[256, 256, 256, 256]),
)
instance = dict(
    frozen=dict(backbone=dict(vit, **last_map, frozen=True), detector=vitdet),
    tuned=dict(backbone=dict(vit, **last_map, drop_path_rate=0.1), detector=vitdet),
    optim_wrapper=dict(
        constructor='mmpldc.LayerDecayOptimWrapperConstructor',
        paramwise_cfg=dict(  # in place of a method's rate of the whole backbone
            layer_decay_rate=0.7, custom_keys=dict(backbone=dict(lr_mult=1.0, decay_mult=1.0))
        ),
    ),
)
four_maps = dict(out_indices=(2, 5, 8, 11), class_tokens=True)
dpt = dict(
    decode_head=dict(
        _delete_=True,
        type='mmseg.DPTHead',
        in_channels=(384, 384, 384, 384),
        in_index=(0, 1, 2, 3),
        input_transform='multiple_select',
        embed_dims=384,
        post_process_channels=[48, 96, 192, 384],
        channels=64,
        readout_type='ignore',
        patch_size=14,
        norm_cfg=None,
        dropout_ratio=0.0,
        num_classes=21,
        align_corners=True,
        loss_decode=dict(
            type='mmseg.CrossEntropyLoss', use_sigmoid=False, avg_non_ignore=True, loss_weight=1.0
        ),
    ),
    auxiliary_head=None,
)
semantic = dict(
    frozen=dict(backbone=dict(vit, **four_maps, frozen=True), segmentor=dpt),
    tuned=dict(backbone=dict(vit, **four_maps), segmentor=dpt),
    optim_wrapper=dict(
        optimizer=dict(_delete_=True, type='AdamW', lr=5e-6, weight_decay=0.01),
        paramwise_cfg=dict(_delete_=True, custom_keys=dict(decode_head=dict(lr_mult=40.0))),
    ),
)
coco_detector = None
