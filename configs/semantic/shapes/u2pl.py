"""U2PL (CVPR-22): entropy percentile, CutMix in half of the steps, contrast with unreliable pixels.

Numbers are the released code's, but for those of the scenes' 9 classes and small network: r_h is 9,
a bank of 2,048 keys a class, 64 channels.
"""

_base_ = './_base.py'

model = dict(
    segmentor=dict(
        decode_head=dict(type='mmpldc.RepresentationASPPHead', representation_channels=64)
    ),
    reliability=dict(
        type='mmpldc.EntropyPercentile',
        unreliable_share=dict(type='mmpldc.Ramp', start=0.2, end=0.0, begin=0),
    ),
    student_views=[
        dict(
            view='unsup_weak',
            mix=dict(type='mmpldc.CutMix', boxes='half_area', prob=0.5, per_batch=True),
        )
    ],
    unsup_loss=dict(type='mmpldc.WeakToStrongLoss', average='reliable'),
    contrast=dict(
        type='mmpldc.PixelContrast',
        channels=64,
        low_rank=3,
        high_rank=9,
        capacity=2048,
        loss_weight=0.1,  # the paper
    ),
)
