"""Guided Distillation's Cityscapes schedule: 90,000 iterations of 16 + 16 images.

It is Mask2Former's (its released Base-Cityscapes-InstanceSegmentation.yaml), for teacher and
student. Its power is detectron2's default.
"""

_base_ = './guided_distillation_368k.py'

max_iters = 90000
train_cfg = dict(max_iters=max_iters)
param_scheduler = dict(
    _delete_=True, type='PolyLR', power=0.9, eta_min=0.0, begin=0, end=max_iters, by_epoch=False
)
# The backbone's batch norms are trained, without weight decay.
backbone_norm_multi = dict(lr_mult=0.1, decay_mult=0.0)
optim_wrapper = dict(
    paramwise_cfg=dict(
        custom_keys={
            'backbone.bn1': backbone_norm_multi,
            **{
                f'backbone.layer{stage}.{block}.bn{norm}': backbone_norm_multi
                for stage, num_blocks in enumerate((3, 4, 6, 3), 1)
                for block in range(num_blocks)
                for norm in (1, 2, 3)
            },
            **{
                f'backbone.layer{stage}.0.downsample.1': backbone_norm_multi
                for stage in (1, 2, 3, 4)
            },
        }
    )
)
