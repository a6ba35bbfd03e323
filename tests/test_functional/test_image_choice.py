"""Ranks and k-centre greedy, against loops."""

import pytest
import torch

from mmpldc.functional import combine_scores, k_centre_greedy, percentile_ranks


def naive_k_centre(points: list[list[float]], count: int, centres: list[list[float]]) -> list[int]:
    def distance(one, other):
        return sum((a - b) ** 2 for a, b in zip(one, other, strict=True)) ** 0.5

    chosen: list[int] = []
    for _ in range(count):
        best, farthest = None, -1.0
        for index, point in enumerate(points):
            if index in chosen:
                continue
            known = [*centres, *(points[other] for other in chosen)]
            nearest = min((distance(point, other) for other in known), default=float('inf'))
            if nearest > farthest:
                best, farthest = index, nearest
        chosen.append(best)
    return chosen


@pytest.mark.parametrize('num_centres', [0, 1, 4])
def test_k_centre_greedy(num_centres):
    points, centres = torch.rand(20, 3), torch.rand(num_centres, 3)
    expected = naive_k_centre(points.tolist(), 8, centres.tolist())
    assert k_centre_greedy(points, 8, centres).tolist() == expected
    if not num_centres:
        assert k_centre_greedy(points, 8).tolist() == expected
        assert expected[0] == 0


def test_equal_points_are_chosen_once_each():
    points = torch.tensor([[0.0], [0.0], [5.0], [0.0]])
    assert k_centre_greedy(points, 2).tolist() == [0, 2]  # not a near-equal one
    assert sorted(k_centre_greedy(points, 4).tolist()) == [0, 1, 2, 3]
    assert k_centre_greedy(points, 0).shape == (0,)
    with pytest.raises(ValueError, match='cannot choose 5 of 4 images'):
        k_centre_greedy(points, 5)


def test_greedy_is_at_most_twice_the_optimum():
    from itertools import combinations

    points = torch.rand(9, 2)

    def radius(centres):
        return torch.cdist(points, points[list(centres)]).amin(dim=1).max().item()

    best = min(radius(centres) for centres in combinations(range(9), 3))
    assert radius(k_centre_greedy(points, 3).tolist()) <= 2 * best + 1e-6


def naive_ranks(values: list[float]) -> list[float]:
    below = [sum(other < value for other in values) for value in values]
    equal = [sum(other == value for other in values) for value in values]
    return [(b + (e - 1) / 2) / (len(values) - 1) for b, e in zip(below, equal, strict=True)]


def test_percentile_ranks():
    values = torch.randint(0, 6, (2, 12)).float()
    expected = [naive_ranks(row) for row in values.tolist()]
    assert torch.allclose(percentile_ranks(values), torch.tensor(expected))
    assert percentile_ranks(torch.tensor([3.0])).tolist() == [0.5]


def test_units_of_criteria_do_not_matter():
    values = torch.rand(10, 2)
    scores = combine_scores(values, [1.0, 0.5])
    assert torch.equal(scores, combine_scores(values * torch.tensor([1000.0, 1e-3]), [1.0, 0.5]))
    assert torch.equal(combine_scores(values[:, :1], [2.0]).argsort(), values[:, 0].argsort())
    reversed_order = combine_scores(values[:, :1], [-1.0]).argsort()
    assert torch.equal(reversed_order, values[:, 0].argsort(descending=True))
    with pytest.raises(ValueError, match='all criteria have weight 0'):
        combine_scores(values, [0.0, 0.0])
