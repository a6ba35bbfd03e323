"""PL-DC with PAIS's dynamic aligning loss: labels count by their quality, m_k the mask's."""

_base_ = '../quickstart/pldc.py'

model = dict(pseudo_label_weights=_base_.dynamic_aligning)
