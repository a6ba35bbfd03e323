"""PL-DC as in its arXiv version: fixed thresholds; DICC with CLIP RN50 on 224 x 224 patches.

The paper does not print its texts. The softmax-weighted ensemble and the start of the decay at the
end of burn-in are as released.
"""

_base_ = './mask2former_r50.py'

model = dict(refiner=_base_.dicc)
