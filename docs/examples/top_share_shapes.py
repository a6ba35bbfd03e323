"""The example method on the quickstart's generated scenes."""

_base_ = '../../configs/quickstart/pldc.py'

custom_imports = dict(imports=['top_share'], allow_failed_imports=False)
model = dict(
    refiner=None,
    pseudo_label_filter=dict(
        type='mmpldc.TopShareFilter',
        class_thr=0.3,
        mask_thr=0.5,
        share=dict(type='mmpldc.Steps', values=[0.25, 0.5, 0.75]),
    ),
    pseudo_label_weights=dict(
        type='mmpldc.ScoreWeights', exponent=dict(type='mmpldc.Ramp', start=2.0, end=0.0)
    ),
    unsup_weight=dict(  # _delete_: the base has a number
        _delete_=True, type='mmpldc.Ramp', start=0.0, end=1.0, shape='sigmoid', until=800
    ),
)
