"""lambda = 8.

Published mask AP: 6.6 (the paper's Table 4c).
"""

_base_ = './pldc_coco_1pct_73k.py'

model = dict(unsup_weight=8.0)
