"""PL-DC in its AAAI-26 version, with thresholds per class that follow the teacher (DF-ACAT).

The thresholds average over as many steps as the teacher does, as released. CLIP's input is the
base's.
"""

_base_ = '../quickstart/pldc.py'

keep_rate = _base_.default_hooks.mean_teacher.keep_rate
model = dict(class_thresholds=dict(_base_.df_acat, keep_rate=keep_rate))
custom_hooks = [dict(type='mmpldc.ClassThresholdsLogHook'), *_base_.get('custom_hooks', [])]
