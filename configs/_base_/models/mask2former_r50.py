"""Mask2Former R50 as student and teacher, with PL-DC's filter and mask loss.

Numbers are Mask2Former's (arXiv 2112.01527; mmdet's config of the same name) unless noted.
"""

_base_ = '../parts.py'

detector = dict(
    type='Mask2Former',
    panoptic_head=dict(
        type='mmpldc.SemiMask2FormerHead',
        in_channels=[256, 512, 1024, 2048],
        strides=[4, 8, 16, 32],
        feat_channels=256,
        out_channels=256,
        num_queries=100,
        num_transformer_feat_level=3,
        upsample_masks=False,  # panoptic_fusion_head upsamples the masks that it keeps
        pixel_decoder=dict(
            type='mmpldc.MSDeformAttnPixelDecoder',
            num_outs=3,
            norm_cfg=dict(type='GN', num_groups=32),
            act_cfg=dict(type='ReLU'),
            encoder=dict(
                num_layers=6,
                layer_cfg=dict(
                    self_attn_cfg=dict(
                        embed_dims=256,
                        num_heads=8,
                        num_levels=3,
                        num_points=4,
                        dropout=0.0,
                        batch_first=True,
                    ),
                    ffn_cfg=dict(embed_dims=256, feedforward_channels=1024, num_fcs=2),
                ),
            ),
            positional_encoding=dict(num_feats=128, normalize=True),
        ),
        positional_encoding=dict(num_feats=128, normalize=True),
        transformer_decoder=dict(
            num_layers=9,  # released PL-DC: 10
            return_intermediate=True,
            layer_cfg=dict(
                self_attn_cfg=dict(embed_dims=256, num_heads=8, batch_first=True),
                cross_attn_cfg=dict(embed_dims=256, num_heads=8, batch_first=True),
                ffn_cfg=dict(embed_dims=256, feedforward_channels=2048, num_fcs=2),
            ),
            init_cfg=None,
        ),
        loss_cls=dict(
            type='CrossEntropyLoss',
            use_sigmoid=False,
            loss_weight=2.0,
            class_weight=[1.0, 0.1],  # an object, no object; model.num_classes repeats the first
        ),
        loss_mask=_base_.pmua,
        loss_dice=dict(
            type='DiceLoss',
            use_sigmoid=True,
            activate=True,
            naive_dice=True,
            eps=1.0,
            loss_weight=5.0,
        ),
    ),
    panoptic_fusion_head=dict(
        type='mmpldc.TopKMaskFormerFusionHead',
        loss_panoptic=None,
        init_cfg=None,
    ),
    train_cfg=dict(
        num_points=12544,
        oversample_ratio=3.0,
        importance_sample_ratio=0.75,
        assigner=dict(
            type='HungarianAssigner',
            match_costs=[
                dict(type='ClassificationCost', weight=2.0),
                dict(type='mmpldc.MaskCrossEntropyCost', weight=5.0),
                dict(type='DiceCost', weight=5.0, pred_act=True, eps=1.0),
            ],
        ),
        sampler=dict(type='MaskPseudoSampler'),
    ),
    test_cfg=dict(
        panoptic_on=False, semantic_on=False, instance_on=True, max_per_image=100, iou_thr=0.8
    ),
)

model = dict(
    type='mmpldc.SemiMask2Former',
    backbone=dict(
        type='ResNet',
        depth=50,
        num_stages=4,
        out_indices=(0, 1, 2, 3),
        frozen_stages=4,  # PL-DC freezes the whole backbone (its section 4.1)
        norm_cfg=dict(type='BN', requires_grad=False),
        norm_eval=True,
        style='pytorch',
        init_cfg=dict(type='Pretrained', checkpoint='torchvision://resnet50'),
    ),
    detector=detector,
    num_classes=80,
    pseudo_label_filter=dict(type='mmpldc.PseudoLabelFilter', **_base_.ddtf),
    burn_in_iters=20000,  # PL-DC, Table I
    unsup_weight=1.0,  # PL-DC, Table I
    sup_views=('sup_weak', 'sup_strong'),  # released code
    joint_forward=True,  # no batch norm trains
    semi_test_cfg=dict(predict_on='teacher'),
    data_preprocessor=dict(
        type='mmpldc.MultiBranchDataPreprocessor',
        data_preprocessor=dict(
            type='DetDataPreprocessor',
            non_blocking=True,
            mean=[123.675, 116.28, 103.53],
            std=[58.395, 57.12, 57.375],
            bgr_to_rgb=True,
            pad_size_divisor=32,
            pad_mask=True,
            mask_pad_value=0,
            # in training: the size (height, width) of a crop
            batch_augments=[dict(type='BatchFixedSizePad', size=(1024, 1024), pad_mask=True)],
        ),
    ),
)
