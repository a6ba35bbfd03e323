"""PAIS with PL-DC's DICC, R50 on 10 % of COCO.

Published mask AP: 34.0 (PL-DC's Table 5, row h), of PAIS on
another model; here it is on Mask2Former.
"""

_base_ = '../pais/pais_mask2former_r50_coco_10pct.py'

model = dict(refiner=_base_.dicc)
