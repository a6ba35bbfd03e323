"""PL-DC as its base config has it; every other method here changes what it names.

The base is the quickstart's; tools/compare/compare_methods.py --base puts another config of PL-DC
in its place. Model, data, views, batch, steps, optimiser and keep rate are the base's for all
methods. docs/comparison.md.
"""

_base_ = '../quickstart/pldc.py'
