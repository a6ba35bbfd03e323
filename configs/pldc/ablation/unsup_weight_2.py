"""lambda = 2.

Published mask AP: 18.6 (the paper's Table 4c).
"""

_base_ = './pldc_coco_1pct_73k.py'

model = dict(unsup_weight=2.0)
