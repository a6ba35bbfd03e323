"""PL-DC with thresholds per class that follow the teacher (DF-ACAT), its AAAI-26 version.

They average over as many steps as the teacher does, as released. CLIP sees what it sees in the
base.
"""

_base_ = '{{$MMPLDC_COMPARISON:../quickstart/pldc.py}}'

mean_teacher, *others = _base_.custom_hooks
model = dict(class_thresholds=dict(_base_.df_acat, keep_rate=mean_teacher.keep_rate))
custom_hooks = [mean_teacher, dict(type='mmpldc.ClassThresholdsLogHook'), *others]
