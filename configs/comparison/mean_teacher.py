"""Mean teacher: PL-DC without its parts, with one threshold on the coupled score."""

_base_ = '../quickstart/pldc.py'

model = dict(
    class_thresholds=None,
    refiner=None,
    pseudo_label_filter=_base_.coupled_filter,
    detector=dict(panoptic_head=dict(loss_mask=_base_.unweighted)),
)
