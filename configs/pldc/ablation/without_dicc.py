"""PL-DC without DICC: labels keep the teacher's classes.

Published mask AP / small / medium / large: 20.8 / 6.2 / 20.5 / 35.0 (the paper's Table 3).
"""

_base_ = './pldc_coco_1pct_73k.py'

model = dict(refiner=None)
