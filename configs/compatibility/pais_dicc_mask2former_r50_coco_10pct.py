"""PAIS with PL-DC's DICC, R50 on 10 % of COCO.

Published mask AP: 34.0; on 1 % 24.1, on 5 % 30.8 (PL-DC's Table 5, row h).

The published PAIS uses another model; here it runs on Mask2Former.
"""

_base_ = '../pais/pais_mask2former_r50_coco_10pct.py'

model = dict(refiner=_base_.dicc)
