"""PL-DC with thresholds per class that follow the teacher (DF-ACAT), its AAAI-26 version.

The ranges are ours, 0.10 below and 0.05 above the fixed thresholds, for no released config sets
them. They average over as many steps as the teacher does, as released. CLIP sees what it sees in
the base.
"""

_base_ = '{{$MMPLDC_COMPARISON:../quickstart/pldc.py}}'

mean_teacher, *others = _base_.custom_hooks
model = dict(
    class_thresholds=dict(
        type='mmpldc.ClassAwareThresholds',
        class_range=(0.75, 0.90),
        mask_range=(0.80, 0.95),
        keep_rate=mean_teacher.keep_rate,
    )
)
custom_hooks = [mean_teacher, dict(type='mmpldc.ClassThresholdsLogHook'), *others]
