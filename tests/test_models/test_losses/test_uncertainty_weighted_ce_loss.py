"""The registered mask loss against the formula and against mmdet's."""

import pytest
import torch
from mmdet.models.losses import CrossEntropyLoss
from mmdet.registry import MODELS

from mmpldc.models.losses import UncertaintyWeightedCrossEntropyLoss


@pytest.fixture
def points():
    """Logits, targets and uncertainty of 4 masks at 7 points."""
    return 3 * torch.randn(4, 7), (torch.rand(4, 7) > 0.5).float(), torch.rand(4, 7)


def naive_sum(pred, target, uncertainty=None):
    total = torch.zeros(())
    for row in range(pred.shape[0]):
        for column in range(pred.shape[1]):
            p = pred[row, column].sigmoid()
            loss = -(p.log() if target[row, column] == 1 else (1 - p).log())
            total = total + (1 if uncertainty is None else 1 - uncertainty[row, column]) * loss
    return total


def test_built_from_the_registry():
    loss = MODELS.build(dict(type='mmpldc.UncertaintyWeightedCrossEntropyLoss', loss_weight=5.0))
    assert isinstance(loss, UncertaintyWeightedCrossEntropyLoss)
    assert not list(loss.parameters())


@pytest.mark.parametrize('weighted', [True, False])
@pytest.mark.parametrize(
    ('reduction', 'avg_factor', 'divisor'),
    [('mean', None, 28), ('sum', None, 1), ('mean', 14, 14), ('mean', torch.tensor(3.0), 3)],
)
def test_reductions(points, weighted, reduction, avg_factor, divisor):
    pred, target, uncertainty = points
    uncertainty = uncertainty if weighted else None
    loss = UncertaintyWeightedCrossEntropyLoss(loss_weight=5.0, reduction=reduction)
    value = loss(pred, target, uncertainty, avg_factor=avg_factor)
    torch.testing.assert_close(value, 5 * naive_sum(pred, target, uncertainty) / divisor)
    overridden = UncertaintyWeightedCrossEntropyLoss(loss_weight=5.0, reduction='none')(
        pred, target, uncertainty, avg_factor=avg_factor, reduction_override=reduction
    )
    assert overridden.equal(value)


@pytest.mark.parametrize('dtype', [torch.float32, torch.float16, torch.bfloat16])
def test_unreduced_is_float32_of_the_same_shape(points, dtype):
    loss = UncertaintyWeightedCrossEntropyLoss(loss_weight=2.0, reduction='none')
    value = loss(*(tensor.to(dtype) for tensor in points))
    assert value.dtype == torch.float32
    assert value.shape == (4, 7)
    torch.testing.assert_close(value.sum(), 2 * naive_sum(*points), rtol=0.02, atol=0)


def test_uncertainty_lowers_the_loss_and_the_normaliser_stays(points):
    """Eq. 11 divides by the number of pixels: half the certainty is half the loss."""
    pred, target, _ = points
    loss = UncertaintyWeightedCrossEntropyLoss()
    plain = loss(pred, target)
    torch.testing.assert_close(loss(pred, target, torch.full((4, 7), 0.5)), plain / 2)
    assert loss(pred, target, torch.ones(4, 7)) == 0
    assert loss(pred, target, torch.zeros(4, 7)) == plain


@pytest.mark.parametrize('reduction', ['none', 'mean', 'sum'])
@pytest.mark.parametrize('avg_factor', [None, 9.0])
def test_ground_truth_gives_mmdets_loss_and_gradient(points, reduction, avg_factor):
    if reduction != 'mean' and avg_factor is not None:
        avg_factor = None  # mmdet allows it with 'mean' alone
    results = []
    for loss in (
        UncertaintyWeightedCrossEntropyLoss(loss_weight=5.0, reduction=reduction),
        CrossEntropyLoss(use_sigmoid=True, loss_weight=5.0, reduction=reduction),
    ):
        pred = points[0].clone().requires_grad_()
        value = loss(pred, points[1], avg_factor=avg_factor)
        value.sum().backward()
        results.append((value.detach(), pred.grad))
    torch.testing.assert_close(results[0], results[1], atol=1e-6, rtol=1e-6)


def test_gradient(points):
    pred, target, uncertainty = points
    pred.requires_grad_()
    UncertaintyWeightedCrossEntropyLoss(loss_weight=5.0)(pred, target, uncertainty).backward()
    expected = 5 * (1 - uncertainty) * (pred.detach().sigmoid() - target) / 28
    torch.testing.assert_close(pred.grad, expected)


def test_no_masks():
    pred = torch.zeros(0, 7, requires_grad=True)
    value = UncertaintyWeightedCrossEntropyLoss(reduction='sum')(pred, pred.detach(), None)
    assert value == 0
    value.backward()


def test_an_average_factor_needs_the_mean(points):
    with pytest.raises(ValueError, match='avg_factor'):
        UncertaintyWeightedCrossEntropyLoss(reduction='sum')(*points, avg_factor=3.0)
