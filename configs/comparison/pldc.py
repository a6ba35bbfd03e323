"""PL-DC as in its base config; every other method here changes only the parts it names.

The base is the quickstart's; tools/compare/compare_methods.py --base replaces it by another config
of PL-DC. Model, data, views, batch, steps, optimiser and keep rate are the base's for all methods.
See docs/comparison.md.
"""

_base_ = '../quickstart/pldc.py'
