"""Mixing against loops, and the boxes' and partners' distributions."""

import pytest
import torch

from mmpldc.functional import (
    blend,
    box_masks,
    class_masks,
    cut_out,
    half_area_boxes,
    mix,
    partners_by_ease,
    random_area_boxes,
    shared_size_boxes,
)

SIZE = (24, 40)


def test_box_masks_like_a_loop():
    boxes = torch.tensor([[3, 2, 9, 7], [0, 0, 40, 24], [5, 5, 5, 9]])
    expected = torch.zeros(3, *SIZE, dtype=torch.bool)
    for mask, (left, top, right, bottom) in zip(expected, boxes.tolist(), strict=True):
        mask[top:bottom, left:right] = True
    assert torch.equal(box_masks(boxes, SIZE), expected)


@pytest.mark.parametrize(
    ('channels', 'dtype'), [((3,), torch.float32), ((), torch.int64), ((), torch.bool)]
)
def test_one_mask_mixes_everything_that_lies_on_the_pixels(channels, dtype):
    maps = torch.randint(0, 2, (4, *channels, *SIZE)).to(dtype)
    mask = box_masks(half_area_boxes(4, SIZE), SIZE)
    expected, cut = maps.clone(), maps.clone()
    for image in range(4):
        for row, column in mask[image].nonzero().tolist():
            expected[image, ..., row, column] = maps[(image + 1) % 4, ..., row, column]
            cut[image, ..., row, column] = 0
    mixed = mix(maps, maps.roll(-1, dims=0), mask)
    assert torch.equal(mixed, expected) and mixed.dtype == dtype
    assert torch.equal(cut_out(maps, mask, 0), cut)


def test_intensity_mix_of_each_image():
    strong, weak = torch.full((2, 3, 2, 2), 180.0), torch.full((2, 3, 2, 2), 100.0)
    blended = blend(strong, weak, torch.tensor([0.25, 1.0]))
    assert blended[0].unique().tolist() == [120.0] and torch.equal(blended[1], strong[1])


@pytest.mark.parametrize(
    ('ease', 'partners'),
    [
        ([0.9, 0.1, 0.5, 0.3], [1, 0, 3, 2]),
        ([0.9, 0.1, 0.5, 0.3, 0.7], [1, 0, 2, 4, 3]),
        ([0.5, 0.5, 0.5, 0.5], [3, 2, 1, 0]),  # ties by index
        ([0.3], [0]),
    ],
)
def test_partners_of_opposite_ease(ease, partners):
    assert partners_by_ease(torch.tensor(ease)).tolist() == partners


@pytest.mark.parametrize('draw', [half_area_boxes, shared_size_boxes, random_area_boxes])
@pytest.mark.parametrize('size', [SIZE, (513, 513), (7, 5)])
def test_boxes_are_inside_and_not_empty(draw, size):
    boxes = draw(500, size)
    assert boxes.shape == (500, 4) and boxes.dtype == torch.int64
    assert boxes.min() >= 0
    assert (boxes[:, 0::2] <= size[1]).all() and (boxes[:, 1::2] <= size[0]).all()
    if min(size) > 10:
        assert (boxes[:, 2:] > boxes[:, :2]).all()
    assert len(boxes.unique(dim=0)) > 5


def test_u2pl_boxes_fill_half_of_the_image():
    boxes = half_area_boxes(2000, SIZE)
    width, height = (boxes[:, 2:] - boxes[:, :2]).T
    assert ((width * height - 480).abs() <= (width + 1) / 2).all()
    assert width.min() >= 20 and width.max() <= 40
    assert width.float().mean().item() == pytest.approx(29.5, abs=0.5)  # U(20, 40), floored
    assert boxes[:, 0].min() == 0 and boxes[:, 2].max() == 40


def test_imas_boxes_share_one_size():
    boxes = shared_size_boxes(400, (1000, 2000))
    width, height = (boxes[:, 2:] - boxes[:, :2]).T
    inside = (boxes[:, 0] > 0) & (boxes[:, 2] < 2000)
    assert len(width[inside].unique()) == 1 and width[inside][0] == width.max()
    centers = (boxes[:, 0] + boxes[:, 2])[inside] / 2
    assert centers.min() >= 2000 / 16 - 1
    assert abs(2 * height.max() - width.max()) <= 2  # of halves, rounded down
    drawn = [shared_size_boxes(99, (1000, 2000)) for _ in range(20)]
    widths = [int((boxes[:, 2] - boxes[:, 0]).max()) for boxes in drawn]
    assert len(set(widths)) > 15 and min(widths) > 0.09 * 2000 and max(widths) <= 0.9 * 2000


def test_unimatch_boxes_have_the_asked_areas_and_aspects():
    boxes = random_area_boxes(5000, (321, 321))
    width, height = (boxes[:, 2:] - boxes[:, :2]).T.double()
    area = width * height / 321**2
    assert 0.018 < area.min() < 0.03 and 0.37 < area.max() < 0.401
    assert area.mean().item() == pytest.approx(0.21, abs=0.006)  # uniform
    assert (height / width).min() > 0.27 and (height / width).max() < 3.7


class TestClassMix:
    def test_half_of_the_classes_of_each_image(self):
        labels = torch.stack([torch.arange(6).repeat(4, 4), torch.full((4, 24), 2)])
        labels[0, 0] = 255
        mask = class_masks(labels, 7)
        kept = labels[0][mask[0]].unique()
        assert len(kept) == 3 and 255 not in kept
        assert torch.equal(mask[0], torch.isin(labels[0], kept))
        assert not mask[1].any()  # half of one class, rounded down

    def test_every_class_gets_its_turn(self):
        labels = torch.arange(5).view(1, 1, 5)
        masks = torch.cat([class_masks(labels, 5)[0] for _ in range(600)]).float().mean(dim=0)
        torch.testing.assert_close(masks, torch.full((5,), 0.4), atol=0.07, rtol=0)

    def test_no_labels_at_all(self):
        assert not class_masks(torch.full((2, 3, 3), 255), 4).any()
