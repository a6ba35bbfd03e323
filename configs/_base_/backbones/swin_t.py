"""Swin-T (28 M parameters), trained on ImageNet-1k at 224 x 224.

docs/backbones.md says where the variables go, and the source and the licence of the weights.
Numbers are mmdet's in mask2former_swin-t-p4-w7-224_8xb2-lsj-50e_coco, and mmsegmentation's in
swin-tiny-patch4-window7-in1k-pre_upernet_8xb2-160k_ade20k-512x512, without its auxiliary head.
"""

swin = dict(
    _delete_=True,
    type='mmpldc.SwinTransformer',
    embed_dims=96,
    depths=[2, 2, 6, 2],
    num_heads=[3, 6, 12, 24],
    window_size=7,
    mlp_ratio=4,
    qkv_bias=True,
    qk_scale=None,
    drop_rate=0.0,
    attn_drop_rate=0.0,
    drop_path_rate=0.3,  # none while frozen
    patch_norm=True,
    out_indices=(0, 1, 2, 3),
    with_cp=False,
    convert_weights=True,  # the checkpoint uses Swin's own names
    init_cfg=dict(
        type='Pretrained',
        checkpoint='https://github.com/SwinTransformer/storage/releases/download/v1.0.0/swin_tiny_patch4_window7_224.pth',
    ),
)
swin_detector = dict(panoptic_head=dict(in_channels=[96, 192, 384, 768]))
# A tenth of the learning rate; no weight decay on norms and positional embeddings.
swin_norms = dict(lr_mult=0.1, decay_mult=0.0)
instance = dict(
    frozen=dict(backbone=dict(swin, frozen_stages=4), detector=swin_detector),
    tuned=dict(backbone=swin, detector=swin_detector),
    optim_wrapper=dict(
        paramwise_cfg=dict(
            custom_keys={
                'backbone': dict(lr_mult=0.1, decay_mult=1.0),
                'backbone.patch_embed.norm': swin_norms,
                'backbone.norm': swin_norms,
                'absolute_pos_embed': swin_norms,
                'relative_position_bias_table': swin_norms,
                **{
                    f'backbone.stages.{stage}.blocks.{block}.norm': swin_norms
                    for stage, num_blocks in enumerate(swin['depths'])
                    for block in range(num_blocks)
                },
                **{f'backbone.stages.{stage}.downsample.norm': swin_norms for stage in range(3)},
            }
        )
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
    frozen=dict(backbone=dict(swin, frozen_stages=4), segmentor=upernet),
    tuned=dict(backbone=swin, segmentor=upernet),
    optim_wrapper=dict(
        optimizer=dict(_delete_=True, type='AdamW', lr=6e-5, betas=(0.9, 0.999), weight_decay=0.01),
        paramwise_cfg=dict(
            _delete_=True,
            custom_keys=dict(
                absolute_pos_embed=dict(decay_mult=0.0),
                relative_position_bias_table=dict(decay_mult=0.0),
                norm=dict(decay_mult=0.0),
            ),
        ),
    ),
)
coco_detector = 'https://download.openmmlab.com/mmdetection/v3.0/mask2former/mask2former_swin-t-p4-w7-224_8xb2-lsj-50e_coco/mask2former_swin-t-p4-w7-224_8xb2-lsj-50e_coco_20220508_091649-01b0f990.pth'
