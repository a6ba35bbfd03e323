"""Pseudo-labels of pixels against NumPy and known values."""

import math

import numpy as np
import pytest
import torch

from mmpldc.functional import (
    dense_labels,
    pixel_entropy,
    reliable_pixels,
    valid_pixels,
    valid_quantile,
)
from mmpldc.functional.dense_labels import QUANTILE_LIMIT
from mmpldc.schedules import Progress, Ramp

ENTROPY = torch.tensor([0.02, 0.05, 0.10, 0.20, 0.30, 0.45, 0.60, 0.80, 1.00, 1.50])


def test_labels_confidence_and_entropy():
    logits = torch.randn(2, 5, 3, 4)
    labels, confidence = dense_labels(logits.half())
    probabilities = logits.half().double().softmax(dim=1).numpy()
    np.testing.assert_array_equal(labels, probabilities.argmax(axis=1))
    np.testing.assert_allclose(confidence, probabilities.max(axis=1), rtol=1e-6)
    assert confidence.dtype == torch.float32
    expected = -(probabilities * np.log(probabilities + 1e-10)).sum(axis=1)
    np.testing.assert_allclose(pixel_entropy(logits.half()), expected, rtol=1e-5)


def test_entropy_of_certain_and_of_no_knowledge():
    logits = torch.tensor([[1e4, 0.0], [0.0, 0.0]])[..., None, None]
    assert pixel_entropy(logits).flatten().tolist() == pytest.approx([0, math.log(2)], abs=1e-6)


@pytest.mark.parametrize(
    ('progress', 'threshold', 'num_unreliable'),
    [(0, 0.84, 2), (0.5, 1.05, 1), (0.75, 1.275, 1), (1, 1.5, 0), (2, 1.5, 0)],
)
def test_percentile_of_u2pl(progress, threshold, num_unreliable):
    share = Ramp(start=0.2, end=0.0, begin=0)(Progress(int(1000 * progress), 0, 1000))
    valid = torch.ones(10, dtype=torch.bool)
    found = valid_quantile(ENTROPY, valid, 1 - share)
    assert found.item() == pytest.approx(threshold, rel=1e-6)
    reliable, unreliable = reliable_pixels(ENTROPY, valid, share)
    assert unreliable.sum() == num_unreliable and (reliable ^ unreliable).all()


def test_all_entropies_equal_are_all_reliable():
    entropy = torch.full((1, 3, 3), 0.7)
    reliable, unreliable = reliable_pixels(entropy, entropy > 0, 0.2)
    assert reliable.all() and not unreliable.any()


def test_padding_is_neither_reliable_nor_in_the_percentile():
    entropy = torch.cat([ENTROPY, torch.full((90,), 9.0)]).view(1, 10, 10)
    valid = valid_pixels([(1, 10)], (10, 10))
    reliable, unreliable = reliable_pixels(entropy, valid, 0.2)
    assert (reliable.sum(), unreliable.sum()) == (8, 2)
    assert not (reliable | unreliable)[~valid].any()


def test_nothing_is_valid():
    entropy = torch.rand(1, 4, 4)
    reliable, unreliable = reliable_pixels(entropy, entropy < 0, 0.2)
    assert not reliable.any() and not unreliable.any()


def test_quantile_is_numpys_for_the_valid_pixels():
    values, valid = torch.rand(3, 50, 70), torch.rand(3, 50, 70) < 0.6
    for share in (0, 0.05, 0.8, 1):
        expected = np.percentile(values[valid].numpy(), 100 * share)
        assert valid_quantile(values, valid, share).item() == pytest.approx(expected, rel=1e-6)


def test_quantile_of_more_pixels_than_torch_takes():
    values = torch.linspace(0, 1, QUANTILE_LIMIT + 4)
    found = valid_quantile(values, values <= 0.5, 0.8)
    assert found.item() == pytest.approx(0.4, abs=1e-5)


def test_valid_pixels_of_two_sizes():
    valid = valid_pixels([(64, 96), (96, 96)], (96, 96))
    assert valid[0, :64].all() and not valid[0, 64:].any() and valid[1].all()
