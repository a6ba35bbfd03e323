"""lambda = 4.

Published mask AP: 10.0 (the paper's Table 4c).
"""

_base_ = './pldc_coco_1pct_73k.py'

model = dict(unsup_weight=4.0)
