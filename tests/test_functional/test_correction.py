"""DICC's weight and fusions (Eqs. 7 to 9) against loops over single numbers."""

import math

import pytest
import torch

from mmpldc.functional import (
    cosine_weight,
    linear_fusion,
    product_fusion,
    teacher_probabilities,
)


def distributions(num_rows: int, num_classes: int) -> torch.Tensor:
    return (3 * torch.randn(num_rows, num_classes)).softmax(dim=-1)


# ---------------------------------------------------------------- the weight


@pytest.mark.parametrize(
    ('step', 'weight'),
    [
        (-5, 0.5),
        (0, 0.5),
        (100, 0.5),  # begin
        (100 + 100, 0.25 * (math.cos(math.pi / 4) + 1)),
        (300, 0.25),  # the middle
        (400, 0.25 * (1 - math.cos(math.pi / 4))),
        (500, 0.0),  # end
        (501, 0.0),
        (10**9, 0.0),
    ],
)
def test_values_of_eq_7(step, weight):
    assert cosine_weight(step, begin=100, end=500) == pytest.approx(weight, abs=1e-9)


def test_equals_the_papers_formula_between_the_ends():
    begin, end = 20_000, 368_750  # of the schedule on COCO
    for step in range(begin, end + 1, 1237):
        expected = 0.25 * (math.cos(math.pi * (step - begin) / (end - begin)) + 1)
        assert cosine_weight(step, begin=begin, end=end) == pytest.approx(expected, abs=1e-9)


def test_never_rises():
    weights = [cosine_weight(step, begin=3, end=17) for step in range(20)]
    assert weights == sorted(weights, reverse=True)


@pytest.mark.parametrize(('initial', 'final'), [(0.8, 0.2), (0.1, 0.6), (0.3, 0.3), (1.0, 0.0)])
def test_other_ends(initial, final):
    def weight(step):
        return cosine_weight(step, begin=0, end=10, initial=initial, final=final)

    assert [weight(0), weight(5), weight(10), weight(11)] == pytest.approx(
        [initial, (initial + final) / 2, final, final], abs=1e-9
    )


@pytest.mark.parametrize(('begin', 'end'), [(5, 5), (6, 5), (9, 5)])
def test_without_steps_to_decay_it_drops_at_the_end(begin, end):
    weights = [cosine_weight(step, begin=begin, end=end) for step in range(12)]
    assert weights == [0.5] * end + [0.0] * (12 - end)


# ---------------------------------------------------------------- the teacher's distribution


def naive_teacher(logits: list[float]) -> list[float]:
    """Softmax over all N + 1 columns, the last one dropped, the others renormalised."""
    exponentials = [math.exp(logit) for logit in logits]
    foreground = [e / sum(exponentials) for e in exponentials][:-1]
    return [p / sum(foreground) for p in foreground]


@pytest.mark.parametrize('num_classes', [1, 2, 80])
@pytest.mark.parametrize('dtype', [torch.float32, torch.float16, torch.bfloat16])
def test_teacher_equals_the_loop(num_classes, dtype):
    logits = (4 * torch.randn(9, num_classes + 1)).to(dtype)
    probabilities = teacher_probabilities(logits)
    assert probabilities.dtype == torch.float32 and probabilities.shape == (9, num_classes)
    for row, result in zip(logits.tolist(), probabilities.tolist(), strict=True):
        assert result == pytest.approx(naive_teacher(row), abs=1e-5)
        assert sum(result) == pytest.approx(1, abs=1e-5)


def test_a_query_that_is_surely_no_object_still_has_a_distribution():
    """Renormalising a softmax whose foreground is 0 in float32 would divide by it."""
    probabilities = teacher_probabilities(torch.tensor([[1.0, 0.0, 500.0]]))
    assert probabilities[0].tolist() == pytest.approx(naive_teacher([1.0, 0.0, 0.0]), abs=1e-5)


def test_teacher_under_autocast():
    logits = 4 * torch.randn(5, 4)
    with torch.autocast('cpu', torch.bfloat16):
        probabilities = teacher_probabilities(logits)
    assert probabilities.dtype == torch.float32
    torch.testing.assert_close(probabilities, teacher_probabilities(logits), rtol=0, atol=1e-5)


# ---------------------------------------------------------------- fusion


def naive_linear(teacher, vlm, weight):
    return [weight * v + (1 - weight) * t for t, v in zip(teacher, vlm, strict=True)]


def naive_product(teacher, vlm, weight):
    joint = [v**weight * t ** (1 - weight) for t, v in zip(teacher, vlm, strict=True)]
    return [p / sum(joint) for p in joint]


FUSIONS = {linear_fusion: naive_linear, product_fusion: naive_product}
fusions = pytest.mark.parametrize('fuse', FUSIONS, ids=lambda function: function.__name__)


@fusions
@pytest.mark.parametrize('num_classes', [1, 2, 8])
@pytest.mark.parametrize('weight', [0.0, 0.13, 0.5, 1.0])
def test_fusion_equals_the_loop(fuse, num_classes, weight):
    teacher, vlm = distributions(7, num_classes), distributions(7, num_classes)
    fused = fuse(teacher, vlm, weight)
    assert fused.shape == (7, num_classes)
    for result, *rows in zip(fused.tolist(), teacher.tolist(), vlm.tolist(), strict=True):
        assert result == pytest.approx(FUSIONS[fuse](*rows, weight), abs=1e-5)
        assert sum(result) == pytest.approx(1, abs=1e-5)


@fusions
def test_the_ends_of_the_weight_are_the_teacher_and_the_vlm(fuse):
    teacher, vlm = distributions(5, 6), distributions(5, 6)
    torch.testing.assert_close(fuse(teacher, vlm, 0.0), teacher, rtol=0, atol=1e-5)
    torch.testing.assert_close(fuse(teacher, vlm, 1.0), vlm, rtol=0, atol=1e-5)


@fusions
def test_fusion_under_autocast(fuse):
    teacher, vlm = distributions(5, 6), distributions(5, 6)
    with torch.autocast('cpu', torch.bfloat16):
        fused = fuse(teacher, vlm, 0.3)
    torch.testing.assert_close(fused, fuse(teacher, vlm, 0.3), rtol=0, atol=1e-5)


@fusions
def test_nothing_to_fuse(fuse):
    nothing = teacher_probabilities(torch.zeros(0, 4))
    assert nothing.shape == fuse(nothing, nothing, 0.5).shape == (0, 3)


def test_certainties_that_exclude_each_other():
    teacher, vlm = torch.tensor([[1.0, 0.0, 0.0]]), torch.tensor([[0.0, 1.0, 0.0]])
    linear = linear_fusion(teacher, vlm, 0.25)
    assert linear.tolist() == [[0.75, 0.25, 0.0]]
    product = product_fusion(teacher, vlm, 0.25)
    assert product.isfinite().all() and product.argmax() == 0
    assert product_fusion(teacher, vlm, 0.75).argmax() == 1


def test_fusions_disagree_on_purpose():
    """One who all but excludes a class weighs more in a product."""
    teacher, vlm = torch.tensor([[0.98, 0.0001, 0.0199]]), torch.tensor([[0.0001, 0.95, 0.0499]])
    assert linear_fusion(teacher, vlm, 0.5).argmax() == 0
    assert product_fusion(teacher, vlm, 0.5).argmax() == 2
