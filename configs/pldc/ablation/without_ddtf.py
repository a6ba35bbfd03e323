"""PL-DC without DDTF: one threshold on the coupled score, 0.765 = 0.9 x 0.85.

Published mask AP / small / medium / large: 21.1 / 7.3 / 20.4 / 34.9 (the paper's Table 3).
"""

_base_ = './pldc_coco_1pct_73k.py'

model = dict(pseudo_label_filter=_base_.coupled_filter)
