"""Adaptive class-aware thresholds (DF-ACAT) against loops over classes."""

import pytest
import torch

from mmpldc.functional import class_sums, frequency_thresholds, move_thresholds


@pytest.mark.parametrize('counts', [[3, 0, 7, 90], [5], [1, 1], [10**6, 1]])
@pytest.mark.parametrize('dtype', [torch.int64, torch.float32])
def test_start_equals_the_loop(counts, dtype):
    low, high = 0.6, 0.9
    thresholds = frequency_thresholds(torch.tensor(counts, dtype=dtype), low=low, high=high)
    assert thresholds.dtype == torch.float32
    expected = [low + (high - low) * n / sum(counts) for n in counts]
    assert thresholds.tolist() == pytest.approx(expected, abs=1e-5)


def test_start_without_labelled_instances():
    assert frequency_thresholds(torch.zeros(3), low=0.5, high=0.9).tolist() == [0.5] * 3


def test_start_of_a_single_class_is_the_upper_end():
    assert frequency_thresholds(torch.tensor([12]), low=0.5, high=0.75).tolist() == [0.75]


@pytest.mark.parametrize('num_values', [0, 1, 50])
@pytest.mark.parametrize('num_classes', [1, 5])
@pytest.mark.parametrize('dtype', [torch.float32, torch.bfloat16])
def test_sums_equal_the_loop(num_values, num_classes, dtype):
    values, labels = torch.rand(num_values).to(dtype), torch.randint(num_classes, (num_values,))
    expected = [0.0] * num_classes
    for value, label in zip(values.tolist(), labels.tolist(), strict=True):
        expected[label] += value
    sums = class_sums(values, labels, num_classes)
    assert sums.dtype == torch.float32
    assert sums.tolist() == pytest.approx(expected, abs=1e-5)


@pytest.mark.parametrize('keep_rate', [0.0, 0.5, 0.9996, 1.0])
def test_move_equals_the_loop(keep_rate):
    low, high = 0.4, 0.8
    thresholds = torch.tensor([0.4, 0.5, 0.6, 0.7, 0.8])
    counts = torch.tensor([0.0, 1.0, 20.0, 3.0, 2.0])
    sums = counts * torch.tensor([0.0, 0.1, 0.65, 0.99, 0.3])
    expected = []
    for threshold, total, count in zip(
        *map(torch.Tensor.tolist, (thresholds, sums, counts)), strict=True
    ):
        if count > 0:
            threshold = keep_rate * threshold + (1 - keep_rate) * total / count
        expected.append(min(max(threshold, low), high))
    moved = move_thresholds(thresholds, sums, counts, keep_rate=keep_rate, low=low, high=high)
    assert moved.tolist() == pytest.approx(expected, abs=1e-6)


def test_a_class_without_predictions_keeps_its_threshold():
    thresholds = torch.tensor([0.5, 0.6])
    moved = move_thresholds(
        thresholds, torch.zeros(2), torch.zeros(2), keep_rate=0.0, low=0.1, high=0.9
    )
    assert moved.equal(thresholds)


@pytest.mark.parametrize(('quality', 'expected'), [(0.0, 0.6), (1.0, 0.7)])
def test_moved_thresholds_stay_in_their_range(quality, expected):
    moved = torch.tensor([0.65])
    for _ in range(20):
        moved = move_thresholds(
            moved, torch.tensor([quality]), torch.ones(1), keep_rate=0.9, low=0.6, high=0.7
        )
    assert moved.item() == pytest.approx(expected)


def test_thresholds_approach_a_constant_quality():
    """(1 - alpha) of the way each step: after t steps alpha^t of the difference is left."""
    moved, steps = torch.tensor([0.2]), 500
    for _ in range(steps):
        moved = move_thresholds(
            moved, torch.tensor([1.6]), torch.tensor([2.0]), keep_rate=0.999, low=0.0, high=1.0
        )
    assert moved.item() == pytest.approx(0.8 - 0.6 * 0.999**steps, abs=1e-4)
