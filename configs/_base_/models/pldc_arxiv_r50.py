"""PL-DC as in its arXiv version: fixed thresholds; DICC with CLIP RN50 on 224 x 224 patches.

CLIP: the paper's Appendix B.1. The texts are CLIP's kind of templates; the paper does not print its
own. The softmax-weighted ensemble and the start of the decay at burn-in's end are as released.
"""

_base_ = './mask2former_r50.py'

model = dict(
    refiner=dict(
        type='mmpldc.CLIPRefiner',
        scorer=dict(
            type='mmpldc.OpenCLIPScorer',
            model='RN50-quickgelu',
            pretrained='openai',
            mode='crop',
            crop_size=224,
            templates='templates',
        ),
    )
)
