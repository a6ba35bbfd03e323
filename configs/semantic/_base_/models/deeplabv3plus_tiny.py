"""A small DeepLabv3+ (3 million parameters) for 96-pixel scenes on a CPU, from random weights.

Widths, dilations and crop are ours: a step of 8 + 8 images takes a quarter of a second on a core.
"""

norm = dict(type='BN', requires_grad=True)
model = dict(
    type='mmpldc.SemiSegmentor',
    backbone=dict(
        type='mmseg.ResNetV1c',
        depth=18,
        base_channels=32,
        stem_channels=32,
        num_stages=4,
        out_indices=(0, 1, 2, 3),
        strides=(1, 2, 2, 1),
        dilations=(1, 1, 1, 2),
        norm_cfg=norm,
        norm_eval=False,
        contract_dilation=True,
    ),
    segmentor=dict(
        type='mmseg.EncoderDecoder',
        decode_head=dict(
            type='mmseg.DepthwiseSeparableASPPHead',
            in_channels=256,
            in_index=3,
            channels=64,
            dilations=(1, 3, 6),
            c1_in_channels=32,
            c1_channels=16,
            dropout_ratio=0.0,
            num_classes=9,
            norm_cfg=norm,
            align_corners=False,
            loss_decode=dict(
                type='mmpldc.OHEMCrossEntropyLoss', max_probability=1.0, min_kept=0
            ),  # all pixels
        ),
        train_cfg=dict(),
        test_cfg=dict(mode='whole'),
    ),
    num_classes=9,
    burn_in_iters=500,
    data_preprocessor=dict(
        type='mmpldc.MultiBranchDataPreprocessor',
        data_preprocessor=dict(
            type='mmseg.SegDataPreProcessor',
            mean=[123.675, 116.28, 103.53],
            std=[58.395, 57.12, 57.375],
            bgr_to_rgb=True,
            pad_val=0,
            seg_pad_val=255,
            size=(96, 96),
            test_cfg=dict(size_divisor=1),
        ),
    ),
)
