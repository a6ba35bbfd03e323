"""Mask uncertainty (Eq. 10) and the loss it weighs (Eq. 11)."""

import math

import pytest
import torch

from mmpldc.functional import mask_uncertainty, uncertainty_weighted_bce

INF, NAN = float('inf'), float('nan')


def naive_uncertainty(logit: float) -> float:
    probability = 1 / (1 + math.exp(-logit))
    return 1 - 2 * abs(probability - 0.5)


def naive_bce(logit: float, target: float) -> float:
    probability = 1 / (1 + math.exp(-logit))
    return -target * math.log(probability) - (1 - target) * math.log(1 - probability)


@pytest.mark.parametrize('dtype', [torch.float64, torch.float32, torch.float16, torch.bfloat16])
def test_uncertainty_equals_the_formula(dtype):
    logits = (4 * torch.randn(3, 5, 2)).to(dtype)
    uncertainty = mask_uncertainty(logits)
    assert uncertainty.dtype == torch.float32
    assert uncertainty.shape == logits.shape
    expected = [naive_uncertainty(logit) for logit in logits.flatten().tolist()]
    assert uncertainty.flatten().tolist() == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize(
    ('logit', 'expected'),
    [
        (0.0, 1.0),
        (math.log(3), 0.5),  # probability 0.75
        (-math.log(3), 0.5),
        (INF, 0.0),
        (-INF, 0.0),
        (200.0, 0.0),
    ],
)
def test_uncertainty_of_special_logits(logit, expected):
    assert mask_uncertainty(torch.tensor(logit)).item() == pytest.approx(expected, abs=1e-6)


def test_uncertainty_is_even_and_falls_with_the_distance_to_the_boundary():
    logits = torch.linspace(0, 20, 50)
    uncertainty = mask_uncertainty(logits)
    torch.testing.assert_close(uncertainty, mask_uncertainty(-logits), atol=1e-6, rtol=0)
    assert (uncertainty.diff() <= 0).all()
    assert uncertainty.min() >= 0
    assert uncertainty.max() <= 1


def test_a_nan_stays_and_nothing_stays_nothing():
    assert mask_uncertainty(torch.tensor([NAN, 0.0])).isnan().tolist() == [True, False]
    assert mask_uncertainty(torch.zeros(0, 4, 4)).shape == (0, 4, 4)
    assert uncertainty_weighted_bce(*torch.zeros(3, 0, 7)).shape == (0, 7)


@pytest.mark.parametrize('dtype', [torch.float64, torch.float32, torch.float16, torch.bfloat16])
def test_weighted_loss_equals_the_formula(dtype):
    pred = (3 * torch.randn(4, 6)).to(dtype)
    target, uncertainty = torch.rand(2, 4, 6).to(dtype)
    weighted = uncertainty_weighted_bce(pred, target, uncertainty)
    plain = uncertainty_weighted_bce(pred, target)
    assert weighted.dtype == plain.dtype == torch.float32
    for row in range(4):
        for column in range(6):
            loss = naive_bce(pred[row, column].item(), target[row, column].item())
            assert plain[row, column].item() == pytest.approx(loss, abs=1e-5)
            loss *= 1 - uncertainty[row, column].item()
            assert weighted[row, column].item() == pytest.approx(loss, abs=1e-5)


def test_gradient_is_the_certain_share_of_the_error():
    pred = (3 * torch.randn(5, 8)).requires_grad_()
    target, uncertainty = torch.rand(2, 5, 8)
    uncertainty_weighted_bce(pred, target, uncertainty).sum().backward()
    expected = (1 - uncertainty) * (pred.detach().sigmoid() - target)
    torch.testing.assert_close(pred.grad, expected)


def test_extremes_of_the_weight():
    pred, target = torch.randn(2, 10), torch.ones(2, 10)
    certain, uncertain = torch.zeros(2, 10), torch.ones(2, 10)
    assert uncertainty_weighted_bce(pred, target, uncertain).eq(0).all()
    assert uncertainty_weighted_bce(pred, target, certain).equal(
        uncertainty_weighted_bce(pred, target)
    )


def test_large_logits_give_a_finite_loss():
    pred = torch.tensor([6e4, -6e4], dtype=torch.float16)
    loss = uncertainty_weighted_bce(pred, torch.tensor([0.0, 1.0]))
    assert loss.tolist() == pytest.approx([6e4, 6e4], rel=1e-3)
