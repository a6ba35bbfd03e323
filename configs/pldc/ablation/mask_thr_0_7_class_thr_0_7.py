"""Thresholds of DDTF: m_t = 0.7, c_t = 0.7.

Published mask AP: 20.3 (the paper's Table 4a).
"""

_base_ = './pldc_coco_1pct_73k.py'

model = dict(pseudo_label_filter=dict(mask_thr=0.7, class_thr=0.7))
