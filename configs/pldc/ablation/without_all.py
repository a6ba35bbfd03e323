"""PL-DC without DDTF, DICC and PMUA: a mean teacher with one threshold on the coupled score.

Published mask AP / small / medium / large: 20.7 / 6.4 / 20.4 / 34.7 (the paper's Table 3).
"""

_base_ = './without_pmua.py'

model = dict(refiner=None, pseudo_label_filter=_base_.coupled_filter)
