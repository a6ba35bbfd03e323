"""Swin-L, pretrained on ImageNet-22k at 384 x 384, for a model of ../models. Variables only.

Numbers are mmdet's in mask2former_swin-l-p4-w12-384-in21k_16xb1-lsj-100e_coco-panoptic.
docs/configs.md has the lines for an experiment, frozen and fine-tuned.
"""

swin_l = dict(
    type='mmpldc.SwinTransformer',
    pretrain_img_size=384,
    embed_dims=192,
    depths=[2, 2, 18, 2],
    num_heads=[6, 12, 24, 48],
    window_size=12,
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
        checkpoint='https://github.com/SwinTransformer/storage/releases/download/v1.0.0/swin_large_patch4_window12_384_22k.pth',
    ),
)
swin_l_detector = dict(panoptic_head=dict(in_channels=[192, 384, 768, 1536], num_queries=200))

# Fine-tuning: a tenth of the learning rate; no weight decay on norms and positional embeddings.
swin_l_multi = dict(lr_mult=0.1, decay_mult=1.0)
swin_l_norm_multi = dict(lr_mult=0.1, decay_mult=0.0)
swin_l_paramwise = dict(
    custom_keys={
        'backbone': swin_l_multi,
        'backbone.patch_embed.norm': swin_l_norm_multi,
        'backbone.norm': swin_l_norm_multi,
        'absolute_pos_embed': swin_l_norm_multi,
        'relative_position_bias_table': swin_l_norm_multi,
        **{
            f'backbone.stages.{stage}.blocks.{block}.norm': swin_l_norm_multi
            for stage, num_blocks in enumerate(swin_l['depths'])
            for block in range(num_blocks)
        },
        **{f'backbone.stages.{stage}.downsample.norm': swin_l_norm_multi for stage in range(3)},
    }
)
