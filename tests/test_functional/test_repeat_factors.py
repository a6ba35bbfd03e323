"""Repeat factors against mmengine's, which loops over images and classes."""

import pytest
import torch
from mmengine.dataset import ClassBalancedDataset

from mmpldc.functional import repeat_factors


class Shown:
    """The part of a data set that mmengine asks for."""

    def __init__(self, has_class):
        self.has_class = has_class

    def __len__(self):
        return len(self.has_class)

    def get_cat_ids(self, index):
        return self.has_class[index].nonzero().flatten().tolist()


def of_mmengine(has_class, oversample_thr):
    balanced = ClassBalancedDataset.__new__(ClassBalancedDataset)
    balanced.dataset = Shown(has_class)
    return balanced._get_repeat_factors(balanced.dataset, oversample_thr)


@pytest.mark.parametrize('oversample_thr', [0.001, 0.3, 10.0])
@pytest.mark.parametrize('share', [0.05, 0.4])
def test_equal_mmengines(share, oversample_thr):
    has_class = torch.rand(60, 7) < share * torch.rand(7)
    has_class[:, 3] = False  # a class without images
    has_class[5] = False  # an image without objects
    found = repeat_factors(has_class, oversample_thr)
    assert found.tolist() == pytest.approx(of_mmengine(has_class, oversample_thr))
    assert found.dtype == torch.float64 and found[5] == 1


def test_a_threshold_above_1_leaves_the_ratios_of_the_rarest_classes():
    """Guided Distillation's 10: classes in all, a quarter and a hundredth of the images."""
    has_class = torch.zeros(100, 3, dtype=torch.bool)
    has_class[:, 0] = has_class[:25, 1] = has_class[0, 2] = True
    found = repeat_factors(has_class, 10.0)
    expected = torch.tensor([1000, 40, 10], dtype=torch.float64).sqrt()
    torch.testing.assert_close(found[[0, 1, 99]], expected)


@pytest.mark.parametrize('oversample_thr', [0, -1.0])
def test_a_threshold_below_any_share_is_refused(oversample_thr):
    with pytest.raises(ValueError, match='oversample_thr must be above 0'):
        repeat_factors(torch.ones(2, 2, dtype=torch.bool), oversample_thr)
