"""Thresholds set over a base whose threshold sets itself."""

import pytest

from mmpldc.models.pseudo_labels import prefer_fixed_thresholds


@pytest.mark.parametrize(
    ('own', 'part', 'kept'),
    [
        (dict(class_thr=0.3, mask_thr=0.5), 'ExpectedCountThreshold', False),
        (dict(class_thr=0.3), 'ExpectedCountThreshold', True),
        (dict(class_thr=0.3, mask_thr=0.5), 'ClassAwareThresholds', True),
    ],
)
def test_fixed_thresholds_take_the_place_of_an_inherited_one_that_sets_itself(own, part, kept):
    inherited = dict(type='PseudoLabelFilter', score='certain', score_thr=0.5, min_area=5)
    part = dict(type=f'mmpldc.{part}')
    chosen, thresholds = prefer_fixed_thresholds(inherited | own, part)
    if kept:  # and the filter refuses them
        assert (chosen, thresholds) == (inherited | own, part)
    else:
        fixed = dict(type='PseudoLabelFilter', score_thr=None, min_area=5)
        assert (chosen, thresholds) == (fixed | own, None)
