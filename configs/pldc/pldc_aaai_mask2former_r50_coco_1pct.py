"""PL-DC (AAAI-26) with Mask2Former R50 on 1 % of COCO; 8 + 8 images a step.

Published mask AP: 25.2 (AAAI-26).
"""

_base_ = [
    '../_base_/default_runtime.py',
    '../_base_/models/pldc_aaai_r50.py',
    '../_base_/datasets/coco_1pct.py',
    '../_base_/schedules/pldc_368k_1pct.py',
]
