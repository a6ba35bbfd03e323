"""Mean teacher with CutMix: confident pixels of half of each image's area from another one.

The mixing is U2PL's, the threshold and the average UniMatch's.
"""

_base_ = './_base.py'

model = dict(
    reliability=dict(type='mmpldc.ConfidentPixels', threshold=0.95),
    student_views=[
        dict(view='unsup_weak', mix=dict(type='mmpldc.CutMix', boxes='half_area', prob=1.0))
    ],
    unsup_loss=dict(type='mmpldc.WeakToStrongLoss', average='valid'),
)
