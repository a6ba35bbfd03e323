"""PAIS's weights at published values, and scores multiplied by a factor."""

import math

import pytest
import torch

from mmpldc.functional import aligned_weight, scale_scores

OF_CLASS = dict(scale=12.0, exponent=4.0, saturation=0.5)
OF_MASK = dict(scale=2.5, exponent=4.0)


def test_published_values():
    scores = torch.tensor([0.0, 0.35, 0.5, 0.51, 1.0])
    expected = torch.tensor([0.0, 0.18, 0.75, 0.75, 0.75])
    torch.testing.assert_close(aligned_weight(scores, **OF_CLASS), expected, atol=1e-3, rtol=0)
    ious = torch.tensor([0.0, 0.3, 0.9, 1.0])
    expected = torch.tensor([2.5 * iou**4 for iou in ious.tolist()])
    torch.testing.assert_close(aligned_weight(ious, **OF_MASK), expected)


@pytest.mark.parametrize('shape', [(0,), (7,), (2, 3)])
def test_equals_the_loop(shape):
    quality = torch.rand(shape)
    options = dict(scale=3.0, exponent=1.5, saturation=0.4)
    expected = [3.0 * min(q, 0.4) ** 1.5 for q in quality.flatten().tolist()]
    found = aligned_weight(quality, **options)
    torch.testing.assert_close(found, torch.tensor(expected).view(shape))


def test_exponent_0_gives_every_label_the_same_weight():
    assert (aligned_weight(torch.rand(5), scale=1.0, exponent=0.0) == 1).all()


def test_scores_are_multiplied_and_the_rest_is_no_object():
    cls_logits, factor_logits = 3 * torch.randn(2, 5, 4), 3 * torch.randn(2, 5)
    found = scale_scores(cls_logits, factor_logits).softmax(dim=-1)
    for image in range(2):
        for query in range(5):
            exponentials = [math.exp(x) for x in cls_logits[image, query].tolist()]
            factor = 1 / (1 + math.exp(-factor_logits[image, query]))
            scores = [e / sum(exponentials) * factor for e in exponentials[:-1]]
            expected = torch.tensor([*scores, 1 - sum(scores)])
            torch.testing.assert_close(found[image, query], expected, atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize(('factor', 'no_object'), [(200.0, None), (-200.0, 1.0)])
def test_certain_factors_stay_finite(factor, no_object):
    cls_logits = torch.tensor([[1.0, -100.0, 0.0]])
    found = scale_scores(cls_logits, torch.tensor([factor]))
    assert found.isfinite().all()
    if no_object is None:  # a factor of 1
        torch.testing.assert_close(found.softmax(-1), cls_logits.softmax(-1))
    else:
        assert found.softmax(-1)[0, -1] == pytest.approx(no_object)
