"""Class and mask quality (Eqs. 3 and 4) against loops over single numbers."""

import math

import pytest
import torch

from mmpldc.functional import class_quality, foreground_probabilities, mask_quality, soft_area

INF, NAN = float('inf'), float('nan')


def naive_class_quality(logits: list[float]) -> tuple[float, int]:
    """Softmax over all N + 1 columns, best of the first N."""
    largest = max(logits)
    exponentials = [math.exp(logit - largest) for logit in logits]
    foreground = [e / sum(exponentials) for e in exponentials[:-1]]
    best = max(foreground)
    return best, foreground.index(best)


def naive_mask_quality(logits: list[list[float]]) -> tuple[float, int]:
    """Mean probability of the pixels whose probability is above one half."""
    probabilities = [1 / (1 + math.exp(-logit)) for row in logits for logit in row]
    foreground = [p for p in probabilities if p > 0.5]
    return (sum(foreground) / len(foreground) if foreground else 0.0), len(foreground)


@pytest.mark.parametrize('dtype', [torch.float64, torch.float32, torch.float16, torch.bfloat16])
@pytest.mark.parametrize('num_classes', [1, 3, 80])
def test_class_quality_is_the_best_foreground_probability(num_classes, dtype):
    logits = (3 * torch.randn(2, 5, num_classes + 1)).to(dtype)
    quality, label = class_quality(logits)
    assert quality.dtype == torch.float32
    assert label.dtype == torch.int64
    assert quality.shape == label.shape == (2, 5)
    for image in range(2):
        for query in range(5):
            expected, best = naive_class_quality(logits[image, query].tolist())
            assert quality[image, query].item() == pytest.approx(expected, abs=1e-6)
            probabilities = foreground_probabilities(logits)[image, query]
            # in half precision two classes may tie: any of the best will do
            assert probabilities[label[image, query]] == probabilities[best]


def test_no_object_takes_its_share_but_is_never_the_label():
    quality, label = class_quality(torch.tensor([[0.0, 1.0, 9.0]]))
    assert label.item() == 1
    assert quality.item() == pytest.approx(math.e / (1 + math.e + math.e**9))
    assert quality.item() < 0.001


def test_foreground_probabilities_leave_out_only_no_object():
    logits = torch.randn(4, 6)
    probabilities = foreground_probabilities(logits)
    assert probabilities.shape == (4, 5)
    no_object = [math.exp(row[-1]) / sum(map(math.exp, row)) for row in logits.tolist()]
    torch.testing.assert_close(probabilities.sum(dim=1), 1 - torch.tensor(no_object))


@pytest.mark.parametrize('dtype', [torch.float16, torch.bfloat16])
def test_qualities_are_computed_in_float32(dtype):
    # 300 * 0.99 summed in half precision would be off by more than a per cent
    logits = torch.full((1, 20, 20), 4.6, dtype=dtype)
    exact = torch.sigmoid(logits[0, 0, 0].float()).item()
    assert mask_quality(logits)[0].item() == pytest.approx(exact, abs=1e-6)
    saturated = torch.tensor([[11.0, 0.0, 0.0]], dtype=dtype)
    assert class_quality(saturated)[0].item() == pytest.approx(1 - 2 * math.exp(-11), abs=1e-6)


@pytest.mark.parametrize('dtype', [torch.float64, torch.float32, torch.float16, torch.bfloat16])
@pytest.mark.parametrize('shape', [(5, 7), (1, 1), (1, 9)])
def test_mask_quality_is_the_mean_over_foreground(shape, dtype):
    logits = (4 * torch.randn(2, 3, *shape)).to(dtype)
    quality, area = mask_quality(logits)
    assert quality.dtype == area.dtype == torch.float32
    assert quality.shape == area.shape == (2, 3)
    for image in range(2):
        for query in range(3):
            expected = naive_mask_quality(logits[image, query].tolist())
            assert quality[image, query].item() == pytest.approx(expected[0], abs=1e-6)
            assert area[image, query].item() == expected[1]


@pytest.mark.parametrize(
    ('logits', 'quality', 'area'),
    [
        ([[-3.0, -1.0]], 0.0, 0),
        ([[0.0, 0.0]], 0.0, 0),  # a probability of exactly one half is background
        ([[-INF, -INF]], 0.0, 0),
        ([[INF, -INF]], 1.0, 1),
        ([[INF, 0.0]], 1.0, 1),
        ([[1000.0, -1000.0]], 1.0, 1),
        ([[math.log(3), -9.0]], 0.75, 1),
        ([[math.log(3), math.log(9)]], 0.825, 2),
    ],
)
def test_mask_quality_of_special_maps(logits, quality, area):
    result = mask_quality(torch.tensor([logits]))
    assert result[0].tolist() == pytest.approx([quality], abs=1e-6)
    assert result[1].tolist() == [area]


def test_mask_quality_of_a_large_map_counts_every_pixel():
    _, area = mask_quality(torch.ones(1, 1024, 1025))
    assert area.item() == 1024 * 1025


def test_mask_quality_has_a_finite_gradient_for_empty_masks():
    logits = torch.full((1, 3, 3), -5.0, requires_grad=True)
    mask_quality(logits)[0].sum().backward()
    assert logits.grad.abs().sum() == 0


def test_no_queries():
    assert [value.shape for value in class_quality(torch.zeros(2, 0, 4))] == [(2, 0)] * 2
    assert [value.shape for value in mask_quality(torch.zeros(2, 0, 8, 8))] == [(2, 0)] * 2


@pytest.mark.parametrize('dtype', [torch.float32, torch.float16, torch.bfloat16])
def test_a_nan_stays_where_it_is(dtype):
    """The filter refuses it, which a comparison with a threshold would not."""
    logits = torch.zeros(2, 3, 4, dtype=dtype)
    logits[1, 2, 3] = NAN
    only_there = [[False] * 3, [False, False, True]]
    assert class_quality(logits)[0].isnan().tolist() == only_there
    assert foreground_probabilities(logits).isnan().all(dim=-1).tolist() == only_there
    assert mask_quality(logits + 1)[0].isnan().tolist() == [False, True]


@pytest.mark.parametrize('row', [[INF, 0.0, 0.0], [-INF, -INF, -INF], [INF, INF, 0.0]])
def test_class_logits_without_a_softmax_are_nan(row):
    assert class_quality(torch.tensor([row]))[0].isnan().all()


def test_a_class_may_be_impossible():
    quality, label = class_quality(torch.tensor([[-INF, 0.0, -INF]]))
    assert (quality.item(), label.item()) == (1.0, 1)


# ---------------------------------------------------------------- area of soft masks


def test_soft_area_is_the_sum_of_probabilities():
    logits = 3 * torch.randn(2, 3, 5, 4)
    found = soft_area(logits)
    for image in range(2):
        for query in range(3):
            pixels = logits[image, query].flatten().tolist()
            expected = sum(1 / (1 + math.exp(-q)) for q in pixels)
            assert found[image, query].item() == pytest.approx(expected, rel=1e-5)


def test_soft_area_of_an_empty_mask_of_no_masks_and_of_half_precision():
    assert soft_area(torch.full((5, 4), -1e4)) == 0
    assert soft_area(torch.zeros(0, 5, 4)).shape == (0,)
    logits = torch.zeros(100, 100, dtype=torch.float16)
    assert soft_area(logits) == 5000 and soft_area(logits).dtype == torch.float32
