"""PL-DC as in its AAAI-26 version: DICC as released, thresholds per class (DF-ACAT).

CLIP, pooling and five descriptions per class are the released code's; the texts of the descriptions
are our own. DF-ACAT is off in every released config (`class_thresholds=None` turns it off here):
its keep rate is released; the ranges and the counted predictions are our choice.
"""

_base_ = './mask2former_r50.py'

model = dict(
    refiner=dict(
        type='mmpldc.CLIPRefiner',
        scorer=dict(
            type='mmpldc.OpenCLIPScorer',
            model='convnext_large_d_320',
            pretrained='laion2b_s29b_b131k_ft_soup',
            mode='mask_pool',
            descriptions='coco',
            templates=None,
        ),
    ),
    class_thresholds=dict(_base_.df_acat, keep_rate=0.9996),
)
custom_hooks = [dict(type='mmpldc.ClassThresholdsLogHook')]
