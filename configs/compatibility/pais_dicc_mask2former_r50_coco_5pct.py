"""PAIS with PL-DC's DICC, R50 on 5 % of COCO.

Published mask AP: 30.8 (PL-DC's Table 5, row h), of PAIS on
another model; here it is on Mask2Former.
"""

_base_ = '../pais/pais_mask2former_r50_coco_5pct.py'

model = dict(refiner=_base_.dicc)
