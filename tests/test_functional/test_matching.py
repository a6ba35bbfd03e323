"""Optimal assignment against scipy, one problem at a time, and against all permutations."""

from itertools import permutations

import pytest
import torch
from scipy.optimize import linear_sum_assignment

from mmpldc.functional import hungarian_match

INF, NAN = float('inf'), float('nan')


def test_equals_scipy_for_each_layer_and_image():
    sizes = [3, 0, 1, 7, 5]  # an image without targets, and more targets than queries
    costs = [torch.randn(4, 5, size) for size in sizes]
    image, query, target = hungarian_match(costs)
    assert image.shape == query.shape == target.shape == (4, 3 + 0 + 1 + 5 + 5)
    assert image.dtype == query.dtype == target.dtype == torch.int64
    first = [0, 3, 3, 4, 11]
    for layer in range(4):
        expected = []
        for index, cost in enumerate(costs):
            rows, columns = linear_sum_assignment(cost[layer].numpy())
            pairs = sorted(zip(columns.tolist(), rows.tolist(), strict=True))
            expected += [(index, row, first[index] + column) for column, row in pairs]
        found = torch.stack([image[layer], query[layer], target[layer]], dim=1)
        assert found.tolist() == [list(triple) for triple in expected]


@pytest.mark.parametrize(('num_queries', 'num_targets'), [(1, 1), (3, 3), (5, 3), (3, 5), (4, 1)])
def test_no_permutation_is_cheaper(num_queries, num_targets):
    cost = torch.randn(6, num_queries, num_targets)
    _, query, target = hungarian_match([cost])
    for layer in range(6):
        table = cost[layer].tolist()
        if num_queries >= num_targets:
            totals = [
                sum(table[q][t] for t, q in enumerate(chosen))
                for chosen in permutations(range(num_queries), num_targets)
            ]
        else:
            totals = [
                sum(table[q][t] for q, t in enumerate(chosen))
                for chosen in permutations(range(num_targets), num_queries)
            ]
        found = cost[layer, query[layer], target[layer]].sum().item()
        assert found == pytest.approx(min(totals), abs=1e-5)
        assert len(set(query[layer].tolist())) == len(set(target[layer].tolist()))
        assert len(query[layer]) == min(num_queries, num_targets)


def test_no_targets_at_all():
    for match in hungarian_match([torch.zeros(3, 4, 0), torch.zeros(3, 4, 0)]):
        assert match.shape == (3, 0)
        assert match.dtype == torch.int64


def test_targets_are_numbered_through_the_batch():
    image, _, target = hungarian_match([torch.randn(2, 9, size) for size in (2, 0, 3)])
    assert image.tolist() == [[0, 0, 2, 2, 2]] * 2
    assert target.tolist() == [[0, 1, 2, 3, 4]] * 2


@pytest.mark.parametrize('dtype', [torch.float64, torch.float16, torch.bfloat16])
def test_other_float_types(dtype):
    cost = torch.randn(2, 5, 3).to(dtype)
    for found, expected in zip(
        hungarian_match([cost]), hungarian_match([cost.float()]), strict=True
    ):
        assert found.equal(expected)


def test_costs_that_require_a_gradient():
    cost = torch.randn(1, 3, 2, requires_grad=True)
    assert hungarian_match([cost])[1].shape == (1, 2)


@pytest.mark.parametrize('bad', [NAN, INF, -INF])
def test_a_cost_that_is_not_finite_loses(bad):
    """Also to a match whose other pairs become dearer by it."""
    cost = torch.tensor([[[0.0, 0.0], [100.0, bad], [300.0, 400.0]]])
    cost[0, 0, 0] = bad
    _, query, target = hungarian_match([cost])
    assert target.tolist() == [[0, 1]]
    assert query.tolist() == [[1, 0]]


@pytest.mark.parametrize('bad', [NAN, INF, -INF])
def test_real_costs_decide_among_what_is_left(bad):
    """One of two targets has no finite cost at all: the other still gets its best query."""
    cost = torch.tensor([[[5e-3, bad], [4e-3, bad], [6e-3, bad]]])
    _, query, _ = hungarian_match([cost])
    assert query[0, 0] == 1
    for match in hungarian_match([torch.full((2, 3, 2), bad)]):
        assert match.shape == (2, 2)


def test_costs_of_the_caller_stay_as_they_are():
    cost = torch.tensor([[[NAN, 1.0]]])
    hungarian_match([cost])
    assert cost.isnan().tolist() == [[[True, False]]]
