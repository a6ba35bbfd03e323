"""Every pixel of a pseudo-mask counts the same."""

_base_ = '../pldc.py'

model = dict(
    detector=dict(
        panoptic_head=dict(
            loss_mask=dict(
                _delete_=True, type='CrossEntropyLoss', use_sigmoid=True, loss_weight=5.0
            )
        )
    )
)
