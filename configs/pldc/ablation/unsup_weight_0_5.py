"""lambda = 0.5.

Published mask AP: 21.1 (the paper's Table 4c).
"""

_base_ = './pldc_coco_1pct_73k.py'

model = dict(unsup_weight=0.5)
