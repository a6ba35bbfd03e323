"""DINOv2's ViT-L/14 with ViTDet's pyramid, for a model of ../models. Variables only.

The transformer is mmpretrain's vit-large-p14_dinov2-pre_headless (pip install onedl-mmpretrain).
Its rates for fine-tuning are detectron2's in mask_rcnn_vitdet_l_100ep (ViT-L of MAE).
docs/configs.md has the lines for an experiment, frozen and fine-tuned.
"""

dinov2_vit_l = dict(
    type='mmpldc.PlainViT',
    arch='large',
    img_size=518,
    patch_size=14,
    layer_scale_init_value=1e-5,
    drop_path_rate=0.4,  # detectron2; none while frozen
    init_cfg=dict(
        type='Pretrained',
        checkpoint='https://mmassets.onedl.ai/mmpretrain/v1.0/dinov2/vit-large-p14_dinov2-pre_3rdparty_20230426-f3302d9e.pth',
        prefix='backbone.',
    ),
)
dinov2_vit_l_detector = dict(
    neck=dict(type='mmpldc.SimpleFeaturePyramid', in_channels=1024, out_channels=256),
    panoptic_head=dict(in_channels=[256, 256, 256, 256]),
)
dinov2_vit_l_optim_wrapper = dict(
    constructor='mmpldc.LayerDecayOptimWrapperConstructor',
    paramwise_cfg=dict(layer_decay_rate=0.8),  # detectron2
)
