"""PL-DC with a threshold that sets itself, for few labels: inherit it instead of mask2former_r50.

It keeps labels for half of the expected objects, and further ones that are as sure as the paper's
thresholds demand. Ours, not PL-DC's: docs/methods.md describes it, docs/few_labels.md has what was
measured.
"""

_base_ = './mask2former_r50.py'

model = dict(
    pseudo_label_filter=dict(_base_.certain_filter, duplicate_iou=0.6),
    class_thresholds=_base_.half_expected_count,
)
