"""PL-DC with PAIS's dynamic aligning loss: weights by label quality, with m_k for the mask."""

_base_ = '../quickstart/pldc.py'

model = dict(pseudo_label_weights=_base_.dynamic_aligning)
