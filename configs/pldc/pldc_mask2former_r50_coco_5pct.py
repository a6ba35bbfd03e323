"""PL-DC (arXiv) with Mask2Former R50 on 5 % of COCO; 8 + 8 images a step.

Published mask AP: 33.0 (the paper's Table 1).
"""

_base_ = [
    '../_base_/default_runtime.py',
    '../_base_/models/pldc_arxiv_r50.py',
    '../_base_/datasets/coco_5pct.py',
    '../_base_/schedules/pldc_368k.py',
]
