"""Duplicate suppression against a loop over pairs of masks."""

import pytest
import torch

from mmpldc.functional import suppress_duplicates


def naive_fast_nms(masks: list, scores: list[float], iou_thr: float) -> list[bool]:
    """Drop a mask iff any better one (suppressed or not; ties: lower index) overlaps it."""
    pixels = [{i for i, on in enumerate(mask.flatten().tolist()) if on} for mask in masks]
    keep = []
    for i, own in enumerate(pixels):
        better = [j for j in range(len(pixels)) if (-scores[j], j) < (-scores[i], i)]
        overlaps = [len(own & pixels[j]) / max(len(own | pixels[j]), 1) for j in better]
        keep.append(all(iou <= iou_thr for iou in overlaps))
    return keep


@pytest.mark.parametrize('iou_thr', [0.0, 0.2, 0.35, 0.6])
@pytest.mark.parametrize('dtype', [torch.float32, torch.float16, torch.bfloat16])
def test_equals_the_loop_with_tied_scores(iou_thr, dtype):
    for _ in range(5):
        masks = torch.rand(8, 4, 5) > 0.5
        scores = (torch.randint(4, (8,)) / 4).to(dtype)  # several ties
        keep = suppress_duplicates(masks, scores, iou_thr=iou_thr)
        assert keep.dtype == torch.bool
        assert keep.tolist() == naive_fast_nms(masks, scores.tolist(), iou_thr)


def test_only_masks_of_an_image_are_compared():
    image = torch.randint(3, (30,))
    masks, scores = torch.rand(30, 4, 5) > 0.5, torch.rand(30)
    keep = suppress_duplicates(masks, scores, iou_thr=0.35, image=image)
    for number in range(3):
        own = image == number
        alone = suppress_duplicates(masks[own], scores[own], iou_thr=0.35)
        assert keep[own].equal(alone) and not alone.all()


def test_identical_masks_keep_exactly_the_best():
    mask = torch.rand(6, 6) > 0.5
    scores = torch.tensor([0.3, 0.9, 0.5, 0.9])
    keep = suppress_duplicates(mask.expand(4, 6, 6), scores, iou_thr=0.9)
    assert keep.tolist() == [False, True, False, False]


def test_ties_go_to_the_lower_index_among_many():
    """Sorting keeps the order of equal scores by luck for a few masks, but not for many."""
    masks = torch.ones(300, 2, 2, dtype=torch.bool)
    scores = torch.full((300,), 0.5)
    scores[200:] = 0.7
    keep = suppress_duplicates(masks, scores, iou_thr=0.5)
    assert keep.nonzero().tolist() == [[200]]


def test_a_suppressed_mask_still_suppresses():
    """A chain a > b > c of neighbours: sequential NMS would keep c."""
    masks = torch.zeros(3, 1, 8, dtype=torch.bool)
    for index in range(3):
        masks[index, 0, index : index + 5] = True  # neighbours: IoU 4/6; a and c: 3/7
    keep = suppress_duplicates(masks, torch.tensor([0.9, 0.8, 0.7]), iou_thr=0.5)
    assert keep.tolist() == [True, False, False]


@pytest.mark.parametrize(('iou_thr', 'second'), [(0.49, False), (0.5, True), (0.51, True)])
def test_the_threshold_itself_is_no_duplicate(iou_thr, second):
    masks = torch.tensor([[[1, 1, 1, 0]], [[0, 1, 1, 1]]], dtype=torch.bool)  # IoU 1/2
    keep = suppress_duplicates(masks, torch.tensor([0.9, 0.8]), iou_thr=iou_thr)
    assert keep.tolist() == [True, second]


def test_disjoint_and_empty_masks_are_all_kept():
    masks = torch.eye(4, dtype=torch.bool).view(4, 2, 2)
    assert suppress_duplicates(masks, torch.rand(4), iou_thr=0.1).all()
    nothing_on = torch.zeros(3, 4, 4, dtype=torch.bool)
    assert suppress_duplicates(nothing_on, torch.rand(3), iou_thr=0.1).all()


@pytest.mark.parametrize('count', [0, 1])
def test_none_and_one(count):
    keep = suppress_duplicates(
        torch.ones(count, 1, 1, dtype=torch.bool), torch.ones(count), iou_thr=0.5
    )
    assert keep.tolist() == [True] * count


def test_the_order_of_the_input_does_not_matter():
    masks, scores = torch.rand(7, 4, 4) > 0.4, torch.rand(7)
    order = torch.randperm(7)
    keep = suppress_duplicates(masks, scores, iou_thr=0.4)
    shuffled = suppress_duplicates(masks[order], scores[order], iou_thr=0.4)
    assert shuffled.equal(keep[order])
