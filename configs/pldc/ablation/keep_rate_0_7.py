"""EMA with alpha = 0.7.

Published mask AP: 20.0 (the paper's Table 4b).
"""

_base_ = './pldc_coco_1pct_73k.py'

custom_hooks = [dict(type='mmpldc.MeanTeacherHook', keep_rate=0.7)]
