"""Measures of predictions, against computations value by value."""

import math

import pytest
import torch
from scipy.spatial.distance import jensenshannon

from mmpldc.functional import (
    expected_errors,
    jensen_shannon,
    pixel_uncertainty,
    pool_predictions,
    quality_disagreement,
    rarity_weights,
    score_uncertainty,
    view_disagreement,
)


def test_jensen_shannon_is_scipys():
    generator = torch.Generator().manual_seed(0)
    first, second = torch.rand(2, 5, 4, generator=generator).log().mul(3).softmax(dim=-1)
    first[0], second[0] = torch.eye(4)[0], torch.eye(4)[1]  # a probability of 0
    divergence = jensen_shannon(first[:, None], second[None])
    assert divergence.shape == (5, 5)
    for i in range(5):
        for j in range(5):
            expected = jensenshannon(first[i].double(), second[j].double(), base=2) ** 2
            assert divergence[i, j].item() == pytest.approx(expected, abs=1e-5)


def test_pixel_uncertainty_pixel_by_pixel():
    logits = torch.randn(3, 4, 5) * 3
    logits[2] = -math.inf  # a mask of nothing
    for mask, value in zip(logits, pixel_uncertainty(logits), strict=True):
        total = weight = 0.0
        for logit in mask.flatten().tolist():
            probability = 1 / (1 + math.exp(-logit)) if logit > -math.inf else 0.0
            total += probability * (1 - 2 * abs(probability - 0.5))
            weight += probability
        assert value.item() == pytest.approx(total / weight if weight else 0.0, abs=1e-5)
    half = pixel_uncertainty(logits[:2].half())
    assert half.dtype == torch.float32 and torch.allclose(
        half, pixel_uncertainty(logits[:2]), atol=1e-2
    )


def test_pixel_uncertainty_does_not_depend_on_what_is_around():
    mask = torch.full((1, 8, 8), -30.0)
    mask[0, 2:4, 2:4] = 1.0
    assert torch.allclose(pixel_uncertainty(mask), pixel_uncertainty(mask[:, :5, :5]))


def test_view_disagreement_looks_for_the_best_counterpart():
    iou, divergence = torch.rand(2, 4, 3)
    found = view_disagreement(iou, divergence)
    for k in range(4):
        best = max(iou[k, j].item() * (1 - divergence[k, j].item()) for j in range(3))
        assert found[k].item() == pytest.approx(1 - best, abs=1e-6)
    assert view_disagreement(torch.zeros(2, 0), torch.zeros(2, 0)).tolist() == [1, 1]
    assert view_disagreement(torch.zeros(0, 2), torch.zeros(0, 2)).shape == (0,)


def test_qualities_of_one_prediction():
    of_class, of_mask = torch.tensor([0.9, 0.2, 0.7]), torch.tensor([0.95, 0.9, 0.0])
    assert quality_disagreement(of_class, of_mask).tolist() == pytest.approx([0.0, 0.6, 0.7])
    assert score_uncertainty(torch.tensor([0.25])).item() == 0.75
    assert expected_errors(torch.tensor([0.5, 0.4]), keep_from=0.45).tolist() == pytest.approx(
        [0.5, 0.4]
    )


@pytest.mark.parametrize(
    ('pooling', 'expected'), [('sum', 0.9), ('max', 0.6), ('mean', (0.3 + 0.6 * 3) / 4)]
)
def test_pooling(pooling, expected):
    values, weights = torch.tensor([0.3, 0.6]), torch.tensor([1.0, 3.0])
    assert pool_predictions(values, weights, pooling).item() == pytest.approx(expected)
    assert pool_predictions(values[:0], weights[:0], pooling).item() == 0


def test_unknown_pooling():
    with pytest.raises(ValueError, match="'sum', 'mean' or 'max', got 'median'"):
        pool_predictions(torch.ones(1), torch.ones(1), 'median')


def test_the_rarest_class_weighs_most():
    weights = rarity_weights(torch.tensor([40, 0, 4]))
    assert weights.tolist() == pytest.approx([1 / 41, 1, 0.2])
