"""PL-DC (AAAI-26) with Mask2Former R50 on 5 % of COCO; 8 + 8 images a step.

Published mask AP: 34.0 (AAAI-26).
"""

_base_ = [
    '../_base_/default_runtime.py',
    '../_base_/models/pldc_aaai_r50.py',
    '../_base_/datasets/coco_5pct.py',
    '../_base_/schedules/pldc_368k.py',
]
