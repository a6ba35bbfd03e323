"""Mask2Former R50 with the quickstart's small head, for two CPU cores.

One of six encoder layers, three of nine decoder layers, 64 of 256 channels, 512 of 12,544 points;
docs/quickstart.md describes the trials. Labelled images have their strong view only.
"""

_base_ = './mask2former_r50.py'

channels = 64
model = dict(
    detector=dict(
        panoptic_head=dict(
            feat_channels=channels,
            out_channels=channels,
            num_queries=20,
            pixel_decoder=dict(
                norm_cfg=dict(num_groups=8),
                encoder=dict(
                    num_layers=1,
                    layer_cfg=dict(
                        self_attn_cfg=dict(embed_dims=channels, num_heads=4),
                        ffn_cfg=dict(embed_dims=channels, feedforward_channels=256),
                    ),
                ),
                positional_encoding=dict(num_feats=channels // 2),
            ),
            positional_encoding=dict(num_feats=channels // 2),
            transformer_decoder=dict(
                num_layers=3,
                layer_cfg=dict(
                    self_attn_cfg=dict(embed_dims=channels, num_heads=4),
                    cross_attn_cfg=dict(embed_dims=channels, num_heads=4),
                    ffn_cfg=dict(embed_dims=channels, feedforward_channels=256),
                ),
            ),
        ),
        train_cfg=dict(num_points=512),
        test_cfg=dict(max_per_image=20),
    ),
    pseudo_label_filter=dict(duplicate_iou=0.6),
    sup_views=['sup_strong'],
)
