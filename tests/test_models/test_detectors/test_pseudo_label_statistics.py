"""Statistics for the log against loops."""

import math

import pytest
import torch
from mmengine.structures import InstanceData

from mmpldc.models.detectors.pseudo_label_statistics import pseudo_label_statistics

KEYS = {'pseudo_per_image', 'pseudo_class_quality', 'pseudo_mask_quality', 'pseudo_uncertain'}


def labels(count):
    return InstanceData(
        labels=torch.randint(3, (count,)),
        class_quality=torch.rand(count),
        mask_quality=torch.rand(count),
        mask_logits=2 * torch.randn(count, 4, 5),
    )


def naive(batch):
    """Means over all kept labels of the batch, not over images."""
    count = sum(len(instances) for instances in batch)
    sums = dict.fromkeys(KEYS, 0.0)
    for instances in batch:
        for c, m, logits in zip(
            instances.class_quality.tolist(),
            instances.mask_quality.tolist(),
            instances.mask_logits,
            strict=True,
        ):
            sums['pseudo_class_quality'] += c / count
            sums['pseudo_mask_quality'] += m / count
            pixels = logits.flatten().tolist()
            probabilities = [1 / (1 + math.exp(-logit)) for logit in pixels]
            share = sum(1 - 2 * abs(p - 0.5) > 0.5 for p in probabilities) / len(pixels)
            sums['pseudo_uncertain'] += share / count
    sums['pseudo_per_image'] = count / len(batch)
    return sums


@pytest.mark.parametrize('counts', [(3,), (1,), (2, 5), (0, 4, 1), (3, 0)])
def test_equals_the_loop(counts):
    batch = [labels(count) for count in counts]
    statistics = pseudo_label_statistics(batch)
    assert set(statistics) == KEYS
    for key, expected in naive(batch).items():
        assert statistics[key].item() == pytest.approx(expected, abs=1e-6), key


@pytest.mark.parametrize('num_images', [1, 3])
def test_nothing_kept_gives_zeros(num_images):
    statistics = pseudo_label_statistics([labels(0) for _ in range(num_images)])
    assert {key: value.item() for key, value in statistics.items()} == dict.fromkeys(KEYS, 0.0)


def test_scalars_that_mmengine_logs_and_does_not_train_on():
    statistics = pseudo_label_statistics([labels(2), labels(1)])
    for key, value in statistics.items():
        assert 'loss' not in key
        assert value.shape == ()
        assert value.dtype == torch.float32
        assert not value.requires_grad


def test_uncertain_share_of_special_masks():
    batch = labels(2)
    batch.mask_logits = torch.stack([torch.zeros(4, 5), torch.full((4, 5), 9.0)])
    assert pseudo_label_statistics([batch])['pseudo_uncertain'] == 0.5
