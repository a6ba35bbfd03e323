"""PL-DC (arXiv) with Mask2Former R50 on all of COCO and unlabeled2017; 8 + 8 images a step.

Published mask AP: 48.8 (the paper's Table 1).
"""

_base_ = [
    '../_base_/default_runtime.py',
    '../_base_/models/pldc_arxiv_r50.py',
    '../_base_/datasets/coco_100pct.py',
    '../_base_/schedules/pldc_368k.py',
]
model = dict(burn_in_iters=60000)  # released code
