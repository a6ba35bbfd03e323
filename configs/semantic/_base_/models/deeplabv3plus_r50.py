"""DeepLabv3+ on ResNet-50, output stride 16: UniMatch's network, and iMAS's without multi-grid.

Crops have odd sides (321, 513, 769, 801), for which corners are aligned, as in the papers. Their
decoders have full 3 x 3 convolutions where mmsegmentation's are separable, and their ResNets a stem
of 64, 64 and 128 channels where the weights that OpenMMLab publishes have 32, 32 and 64
(`stem_channels=128` makes the former).
"""

norm = dict(type='SyncBN', requires_grad=True)
model = dict(
    type='mmpldc.SemiSegmentor',
    backbone=dict(
        type='mmseg.ResNetV1c',
        depth=50,
        num_stages=4,
        out_indices=(0, 1, 2, 3),
        strides=(1, 2, 2, 1),
        dilations=(1, 1, 1, 2),
        norm_cfg=norm,
        norm_eval=False,
        style='pytorch',
        contract_dilation=True,
        init_cfg=dict(type='Pretrained', checkpoint='open-mmlab://resnet50_v1c'),
    ),
    segmentor=dict(
        type='mmseg.EncoderDecoder',
        decode_head=dict(
            type='mmseg.DepthwiseSeparableASPPHead',
            in_channels=2048,
            in_index=3,
            channels=256,
            dilations=(1, 6, 12, 18),
            c1_in_channels=256,
            c1_channels=48,
            dropout_ratio=0.0,  # iMAS
            num_classes=21,
            norm_cfg=norm,
            align_corners=True,
            loss_decode=dict(
                type='mmseg.CrossEntropyLoss',
                use_sigmoid=False,
                avg_non_ignore=True,
                loss_weight=1.0,
            ),
        ),
        train_cfg=dict(),
        test_cfg=dict(mode='whole'),
    ),
    num_classes=21,
    burn_in_iters=0,
    data_preprocessor=dict(
        type='mmpldc.MultiBranchDataPreprocessor',
        # Padding is on the right and at the bottom: 0, the mean colour, after normalisation, and
        # 255.
        data_preprocessor=dict(
            type='mmseg.SegDataPreProcessor',
            mean=[123.675, 116.28, 103.53],
            std=[58.395, 57.12, 57.375],
            bgr_to_rgb=True,
            pad_val=0,
            seg_pad_val=255,
            size=(513, 513),
        ),
    ),
)
multi_grid = (2, 4, 8)  # of the last stage, absolute dilations: iMAS, U2PL's 2-2-4

# Output stride 8, iMAS and U2PL: backbone=dict(**_base_.output_stride_8),
# decode_head=dict(dilations=_base_.output_stride_8_aspp)
output_stride_8 = dict(strides=(1, 2, 1, 1), dilations=(1, 1, 2, 4), multi_grid=(4, 8, 16))
output_stride_8_aspp = (1, 12, 24, 36)

# decode_head of U2PL: 256 low-level channels, dropout, and the branch for its contrast.
u2pl_head = dict(
    type='mmpldc.RepresentationASPPHead',
    dilations=output_stride_8_aspp,
    c1_channels=256,
    dropout_ratio=0.1,
    representation_channels=256,
)
# Cityscapes of U2PL and iMAS: on the third stage's map, weight 0.4; loss of hard pixels.
hard_pixels = dict(type='mmpldc.OHEMCrossEntropyLoss', max_probability=0.7, min_kept=100000)
auxiliary_head = dict(
    type='mmseg.FCNHead',
    in_channels=1024,
    in_index=2,
    channels=256,
    num_convs=1,
    concat_input=False,
    dropout_ratio=0.1,
    num_classes=19,
    norm_cfg=norm,
    align_corners=True,
    loss_decode=dict(hard_pixels, loss_weight=0.4),
)
