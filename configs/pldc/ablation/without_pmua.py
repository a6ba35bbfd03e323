"""PL-DC without PMUA: equal weights for all pixels of a pseudo-mask.

Published mask AP / small / medium / large: 20.4 / 6.3 / 20.0 / 34.6 (the paper's Table 3).
"""

_base_ = './pldc_coco_1pct_73k.py'

model = dict(detector=dict(panoptic_head=dict(loss_mask=_base_.unweighted)))
