"""PL-DC (AAAI-26) with Mask2Former R50 on 2 % of COCO; 8 + 8 images a step.

Published mask AP: 29.2 (AAAI-26).
"""

_base_ = [
    '../_base_/default_runtime.py',
    '../_base_/models/pldc_aaai_r50.py',
    '../_base_/datasets/coco_2pct.py',
    '../_base_/schedules/pldc_368k.py',
]
