"""Given labels in the form of a teacher's outputs: their qualities come out again."""

import pytest
import torch

from mmpldc.functional import (
    class_logits_of,
    class_quality,
    mask_logits_of,
    mask_quality,
    teacher_probabilities,
)


def test_the_score_is_the_class_quality_again():
    labels, scores = torch.tensor([2, 0, 1]), torch.tensor([0.9, 0.5, 1.0])
    logits = class_logits_of(labels, scores, num_classes=4)
    quality, found = class_quality(logits)
    assert found.tolist() == labels.tolist()
    torch.testing.assert_close(quality, scores, atol=1e-5, rtol=0)
    # the rest is spread over the classes that DICC compares
    torch.testing.assert_close(
        teacher_probabilities(logits)[0], torch.tensor([1, 1, 27, 1]) / 30, atol=1e-5, rtol=0
    )


def test_a_single_class():
    logits = class_logits_of(torch.tensor([0]), torch.tensor([0.7]), num_classes=1)
    torch.testing.assert_close(logits.softmax(-1), torch.tensor([[0.7, 0.3]]))


@pytest.mark.parametrize('size', [(16, 16), (4, 4)])
def test_the_mask_quality_comes_out_again(size):
    masks = torch.zeros(2, 16, 16, dtype=torch.uint8)
    masks[0, :8, :8] = 1
    masks[1, 4:12, 8:] = 1
    given = torch.tensor([0.8, 1.0])
    logits = mask_logits_of(masks, given, size)
    quality, area = mask_quality(logits)
    torch.testing.assert_close(quality, given, atol=1e-5, rtol=0)
    assert (area * 256 / (size[0] * size[1])).tolist() == [64, 64]
    assert logits.isfinite().all()


def test_none():
    masks = torch.zeros(0, 16, 16, dtype=torch.uint8)
    assert mask_logits_of(masks, torch.zeros(0), (4, 4)).shape == (0, 4, 4)
    assert class_logits_of(torch.zeros(0).long(), torch.zeros(0), num_classes=3).shape == (0, 4)
