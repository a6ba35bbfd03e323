"""PL-DC as its base config has it; every other method here changes what it names.

The base is MMPLDC_COMPARISON, any config of PL-DC, by default the quickstart's. Model, data, views,
batch, steps, optimiser and keep rate are the base's for all methods. docs/comparison.md.
"""

_base_ = '{{$MMPLDC_COMPARISON:../quickstart/pldc.py}}'
