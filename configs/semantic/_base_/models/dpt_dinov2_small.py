"""DPT on DINOv2 ViT-S/14, UniMatch V2's network. Variables only.

The transformer is mmpretrain's vit-small-p14_dinov2-pre (pip install onedl-mmpretrain), the head
mmsegmentation's. Layers and channels are the released code's; its images have sides that are
multiples of 14.
"""

backbone = dict(
    type='mmpldc.ViTMaps',
    arch='dinov2-small',
    img_size=518,
    patch_size=14,
    layer_scale_init_value=1e-5,
    out_indices=(2, 5, 8, 11),
    init_cfg=dict(
        type='Pretrained',
        checkpoint='https://mmassets.onedl.ai/mmpretrain/v1.0/dinov2/vit-small-p14_dinov2-pre_3rdparty_20230426-5641ca5a.pth',
        prefix='backbone.',
    ),
)
segmentor = dict(
    type='mmseg.EncoderDecoder',
    decode_head=dict(
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
    train_cfg=dict(),
    test_cfg=dict(mode='whole'),
)
preprocessor = dict(
    type='mmseg.SegDataPreProcessor',
    mean=[123.675, 116.28, 103.53],
    std=[58.395, 57.12, 57.375],
    bgr_to_rgb=True,
    pad_val=0,
    seg_pad_val=255,
    size=(518, 518),
)

# ViT-B/14: backbone=_base_.backbone_base, decode_head=_base_.head_base
backbone_base = dict(
    arch='dinov2-base',
    init_cfg=dict(
        checkpoint='https://mmassets.onedl.ai/mmpretrain/v1.0/dinov2/vit-base-p14_dinov2-pre_3rdparty_20230426-ba246503.pth'
    ),
)
head_base = dict(
    in_channels=(768, 768, 768, 768),
    embed_dims=768,
    post_process_channels=[96, 192, 384, 768],
    channels=128,
)
