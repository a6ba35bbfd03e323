"""What the log says about a batch's pseudo-labels, against counting by hand."""

import pytest
import torch
from mmengine.structures import InstanceData

from mmpldc.models.pseudo_labels.statistics import pseudo_label_statistics

SURE, UNSURE = 5.0, 0.5  # logits: probabilities of 0.99 and 0.62


def make_instances(class_quality: list, mask_quality: list, uncertain_pixels: list):
    """Labels with 8 x 4 maps, of which so many pixels are uncertain."""
    maps = torch.full((len(class_quality), 32), SURE)
    for row, count in zip(maps, uncertain_pixels, strict=True):
        row[:count] = UNSURE
        row[count::2] *= -1  # background can be as certain as foreground
    return InstanceData(
        class_quality=torch.tensor(class_quality),
        mask_quality=torch.tensor(mask_quality),
        mask_logits=maps.view(-1, 8, 4),
    )


def test_means_are_over_all_labels_of_the_batch():
    statistics = pseudo_label_statistics(
        [
            make_instances([0.9, 0.6, 0.9], [0.5, 0.7, 0.6], [0, 16, 32]),
            make_instances([], [], []),
            make_instances([0.4], [0.8], [8]),
        ]
    )
    assert {name: value.item() for name, value in statistics.items()} == pytest.approx(
        dict(
            pseudo_per_image=4 / 3,
            pseudo_class_quality=(0.9 + 0.6 + 0.9 + 0.4) / 4,
            pseudo_mask_quality=(0.5 + 0.7 + 0.6 + 0.8) / 4,
            pseudo_uncertain=(0 + 16 + 32 + 8) / 32 / 4,
        )
    )


@pytest.mark.parametrize('num_images', [1, 3])
def test_without_labels_only_their_number_is_reported(num_images):
    """A quality of nothing would pull the log's average down."""
    statistics = pseudo_label_statistics([make_instances([], [], [])] * num_images)
    assert {name: value.item() for name, value in statistics.items()} == dict(pseudo_per_image=0)


@pytest.mark.parametrize('logit', [-1.0986, 1.0986])
def test_uncertain_means_a_probability_between_a_quarter_and_three_quarters(logit):
    instances = make_instances([1.0], [1.0], [0])
    for factor, expected in (0.99, 1.0), (1.01, 0.0):
        instances.mask_logits.fill_(factor * logit)
        assert pseudo_label_statistics([instances])['pseudo_uncertain'] == expected


def test_no_name_would_be_added_to_the_objective():
    statistics = pseudo_label_statistics([make_instances([0.5], [0.5], [1])])
    assert not any('loss' in name for name in statistics)
