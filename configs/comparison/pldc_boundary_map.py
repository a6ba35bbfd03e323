"""PL-DC with Noisy Boundaries' map instead of PMUA."""

_base_ = '../quickstart/pldc.py'

model = dict(
    detector=dict(
        panoptic_head=dict(
            loss_mask=_base_.boundary_map,
        )
    )
)
