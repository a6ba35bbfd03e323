"""Masks accepted as by a loop over pairs, and fused as probabilities."""

import pytest
import torch

from mmpldc.functional import accept_masks, fuse_masks

BOUNDS = dict(min_iou=0.4, area_ratio=(0.6, 1.5), max_taken=0.2)


def accepted_by_loop(proposed, own, image, *, min_iou, area_ratio, max_taken):
    found = []
    for k in range(len(own)):
        union = (proposed[k] | own[k]).sum().item()
        overlap = (proposed[k] & own[k]).sum().item()
        ratio = proposed[k].sum().item() / max(own[k].sum().item(), 1)
        good = overlap > 0 and overlap / union >= min_iou
        good = good and area_ratio[0] <= ratio <= area_ratio[1]
        for j in range(len(own)):
            if j == k or image[j] != image[k] or not own[j].any():
                continue
            before = (own[k] & own[j]).sum().item()
            after = (proposed[k] & own[j]).sum().item()
            good = good and (after - before) / own[j].sum().item() <= max_taken
        found.append(good)
    return found


@pytest.mark.parametrize('seed', range(5))
def test_equals_the_loop(seed):
    generator = torch.Generator().manual_seed(seed)
    own = torch.rand(12, 6, 6, generator=generator) > 0.6
    flips = torch.rand(12, 6, 6, generator=generator) < torch.linspace(0, 0.4, 12)[:, None, None]
    proposed = own ^ flips
    own[3], proposed[5] = False, False  # empty ones
    image = torch.tensor([0] * 5 + [1] * 7)
    found = accept_masks(proposed, own, image, **BOUNDS)
    assert found.tolist() == accepted_by_loop(proposed, own, image, **BOUNDS)
    assert not found[3] and not found[5]
    if seed == 0:
        assert 0 < found.sum() < 12


def test_two_labels_of_one_object_are_no_merge():
    own = torch.zeros(2, 4, 4, dtype=torch.bool)
    own[:, :2] = True  # the same mask twice: nothing is newly taken
    found = accept_masks(own, own, torch.tensor([0, 0]), **BOUNDS)
    assert found.all()


def test_none():
    nothing = torch.zeros(0, 4, 4, dtype=torch.bool)
    assert accept_masks(nothing, nothing, torch.zeros(0).long(), **BOUNDS).shape == (0,)
    assert fuse_masks(torch.zeros(0, 4, 4), torch.zeros(0, 4, 4), 0.5).shape == (0, 4, 4)


@pytest.mark.parametrize('weight', [0.0, 0.3, 1.0])
def test_fused_probabilities(weight):
    logits, proposed = 3 * torch.randn(2, 5, 5), torch.rand(2, 5, 5).round()
    fused = fuse_masks(logits, proposed, weight)
    expected = weight * proposed + (1 - weight) * logits.sigmoid()
    torch.testing.assert_close(fused.sigmoid(), expected, atol=2e-6, rtol=0)
    assert fused.isfinite().all()
