"""One threshold on the coupled score: 0.765 = 0.85 * 0.90, PL-DC's Table 3."""

_base_ = '../pldc.py'

model = dict(pseudo_label_filter=dict(class_thr=None, mask_thr=None, score_thr=0.765))
