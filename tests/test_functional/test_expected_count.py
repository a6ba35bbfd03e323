"""The threshold by count against loops, and the score it is applied to."""

import math

import pytest
import torch

from mmpldc.functional import (
    best_of_each_image,
    certain_quality,
    count_threshold,
    mask_quality,
    mask_uncertainty,
    score_edges,
    score_histogram,
)


def naive_threshold(scores, edges, count, floor):
    """The lowest edge that at most ``count`` scores reach."""
    for edge in edges:
        if sum(score >= edge for score in scores) <= count:
            return max(edge, floor)
    return max(edges[-1], floor)


@pytest.mark.parametrize('count', [0, 0.9, 1, 7.5, 30, 1000])
@pytest.mark.parametrize('floor', [0.0, 0.3])
def test_threshold_equals_the_loop(count, floor):
    scores, edges = torch.rand(60) ** 0.3, score_edges(40)
    histogram = score_histogram(scores, edges)
    assert histogram.sum() == 60
    found = count_threshold(histogram, edges, count=torch.tensor(float(count)), floor=floor)
    expected = naive_threshold(scores.tolist(), edges.tolist(), count, floor)
    assert found.item() == pytest.approx(expected)


def test_nothing_seen_gives_the_floor():
    edges = score_edges(10)
    found = count_threshold(torch.zeros(10), edges, count=torch.tensor(0.0), floor=0.3)
    assert found.item() == pytest.approx(0.3)


def test_edges_are_finer_towards_one():
    edges = score_edges(400)
    assert edges[0] == 0 and edges[-1] < 1
    widths = edges.diff()
    assert (widths > 0).all() and (widths[:200].diff() < 0).all()
    assert widths[edges[:-1] > 0.9].max() < 0.003


def test_score_is_the_class_quality_times_the_mean_certainty_of_the_masks_pixels():
    logits, class_quality = 3 * torch.randn(20, 6, 7), torch.rand(20)
    expected = []
    for mask, c in zip(logits, class_quality, strict=True):
        certainty = 1 - mask_uncertainty(mask[mask > 0])
        expected.append((c * certainty.mean()).item())
    found = certain_quality(class_quality, mask_quality(logits)[0])
    assert found.tolist() == pytest.approx(expected, abs=1e-5)


@pytest.mark.parametrize('count', [0, 1, 2, 100])
def test_best_of_each_image_equals_the_loop(count):
    scores = torch.tensor([0.3, 0.9, 0.3, 0.3, 0.9, 0.1])  # with ties
    image = torch.tensor([2, 0, 2, 2, 2, 0])
    expected = [
        sum(
            image[other] == image[mine] and (-scores[other], other) < (-scores[mine], mine)
            for other in range(6)
        )
        < count
        for mine in range(6)
    ]
    assert best_of_each_image(scores, image, count=count).tolist() == expected


def test_best_of_no_image():
    nothing = torch.zeros(0)
    assert best_of_each_image(nothing, nothing.long(), count=2).shape == (0,)
    assert math.prod(score_histogram(nothing, score_edges(5)).shape) == 5
