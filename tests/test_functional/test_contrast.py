"""U2PL's contrast against the paper's rules, read literally by loops, and values by hand."""

import math

import pytest
import torch
import torch.nn.functional as F

from mmpldc.functional import (
    anchor_pixels,
    class_ranks,
    draw_with_replacement,
    draw_without_replacement,
    info_nce,
    label_probabilities,
    labeled_negatives,
    mean_over_classes,
    prototype_sums,
    unlabeled_negatives,
)

NUM_CLASSES = 5
LOW, HIGH = 2, 4


@pytest.mark.parametrize(
    ('probabilities', 'ranks', 'labeled_0', 'labeled_3', 'unreliable'),
    [
        ((0.50, 0.25, 0.15, 0.07, 0.03), [0, 1, 2, 3, 4], {1}, {0, 1}, {2, 3}),
        ((0.10, 0.45, 0.30, 0.10, 0.05), [2, 0, 1, 3, 4], {1, 2}, {1, 2}, {0, 3}),
        ((0.05, 0.05, 0.20, 0.30, 0.40), [3, 4, 2, 1, 0], {3, 4}, {4}, {0, 2}),
    ],
)
def test_negatives_by_the_rank_rule(probabilities, ranks, labeled_0, labeled_3, unreliable):
    found = class_ranks(torch.tensor([probabilities]))
    assert found.tolist() == [ranks]

    def classes(mask) -> set[int]:
        return set(mask[0].nonzero().flatten().tolist())

    for label, expected in (0, labeled_0), (3, labeled_3), (255, set()):
        labels = torch.tensor([label])
        assert classes(labeled_negatives(found, labels, low_rank=LOW)) == expected
    for is_unreliable, expected in (True, unreliable), (False, set()):
        mask = torch.tensor([is_unreliable])
        assert classes(unlabeled_negatives(found, mask, low_rank=LOW, high_rank=HIGH)) == expected


def test_negatives_like_a_loop():
    probabilities = torch.randn(200, NUM_CLASSES).softmax(dim=1)
    labels = torch.randint(0, NUM_CLASSES, (200,)).where(torch.rand(200) < 0.8, 255)
    unreliable = torch.rand(200) < 0.4
    ranks = class_ranks(probabilities)
    labeled = labeled_negatives(ranks, labels, low_rank=LOW)
    unlabeled = unlabeled_negatives(ranks, unreliable, low_rank=LOW, high_rank=HIGH)
    for pixel, of_pixel in enumerate(probabilities.tolist()):
        by_probability = sorted(range(NUM_CLASSES), key=lambda c: -of_pixel[c])
        for label in range(NUM_CLASSES):
            rank = by_probability.index(label)
            expected = labels[pixel] != 255 and labels[pixel] != label and rank < LOW
            assert labeled[pixel, label] == expected
            assert unlabeled[pixel, label] == (unreliable[pixel] and LOW <= rank < HIGH)


def test_what_the_release_gets_wrong():
    """A labelled pixel can be a negative, and no pixel is one of the class it is taken for."""
    probabilities = torch.randn(500, NUM_CLASSES).softmax(dim=1)
    ranks, predicted = class_ranks(probabilities), probabilities.argmax(dim=1)
    labels = torch.randint(0, NUM_CLASSES, (500,))
    assert labeled_negatives(ranks, labels, low_rank=1).sum() == (labels != predicted).sum() > 0
    everything = torch.ones(500, dtype=torch.bool)
    unlabeled = unlabeled_negatives(ranks, everything, low_rank=1, high_rank=NUM_CLASSES)
    assert not unlabeled.gather(1, predicted[:, None]).any() and unlabeled.sum() == 500 * 4


def test_ranks_of_ties_are_in_the_order_of_classes():
    assert class_ranks(torch.full((3, 4), 0.25)).tolist() == [[0, 1, 2, 3]] * 3


def test_anchors():
    logits = torch.tensor([[0.3, 0.7], [0.31, 0.69], [0.9, 0.1]]).log().T[None, :, None]
    for labels, expected in ([0, 0, 0], [False, True, True]), ([1, 255, 255], [True, False, False]):
        labels = torch.tensor([[labels]])
        probability = label_probabilities(logits, labels)
        found = anchor_pixels(probability - 1e-6, labels, min_probability=0.3)
        assert found.flatten().tolist() == expected


class TestDraws:
    def test_keys_are_different_candidates(self):
        candidates = torch.rand(300, NUM_CLASSES) < torch.tensor([0.0, 0.01, 0.1, 0.5, 1.0])
        candidates[0, 1] = True
        pixels, drawn = draw_without_replacement(candidates, 40)
        assert pixels.shape == drawn.shape == (NUM_CLASSES, 40)
        for label in range(NUM_CLASSES):
            own = pixels[label, drawn[label]]
            assert candidates[own, label].all() and len(own.unique()) == len(own)
            assert len(own) == min(40, candidates[:, label].sum())

    def test_keys_are_drawn_evenly(self):
        candidates = torch.ones(10, 1, dtype=torch.bool)
        counts = torch.stack(
            [
                draw_without_replacement(candidates, 5)[0][0].bincount(minlength=10)
                for _ in range(800)
            ]
        )
        torch.testing.assert_close(
            counts.float().mean(dim=0), torch.full((10,), 0.5), atol=0.08, rtol=0
        )

    def test_fewer_pixels_than_keys(self):
        pixels, drawn = draw_without_replacement(torch.tensor([[True, False]]), 4)
        assert pixels.shape == (2, 4) and drawn.tolist() == [[True] + [False] * 3, [False] * 4]

    def test_anchors_are_of_their_class(self):
        labels = torch.randint(0, 4, (100,)).where(torch.rand(100) < 0.9, 255)
        labels[labels == 2] = 255
        chosen = (torch.rand(100) < 0.7) & (labels != 255)
        pixels, present = draw_with_replacement(chosen, labels, 64, 4)
        assert present.tolist() == [True, True, False, True]
        for label in (0, 1, 3):
            assert chosen[pixels[label]].all() and (labels[pixels[label]] == label).all()
        assert ((pixels >= 0) & (pixels < 100)).all()  # of all, to be read before they are masked

    def test_anchors_are_drawn_evenly_with_repeats(self):
        labels = torch.tensor([1, 0, 1, 1])
        pixels, _ = draw_with_replacement(labels == 1, labels, 6000, 2)
        shares = pixels[1].bincount(minlength=4) / 6000
        torch.testing.assert_close(
            shares, torch.tensor([1 / 3, 0, 1 / 3, 1 / 3]), atol=0.03, rtol=0
        )

    def test_no_anchors_at_all(self):
        labels = torch.full((7,), 255)
        pixels, present = draw_with_replacement(labels < 255, labels, 5, 3)
        assert not present.any() and pixels.max() < 7


ANCHORS = torch.tensor([[1.0, 0], [0, 2], [3, 4]])
NEGATIVES = torch.tensor([[[-1.0, 0], [0, 1]], [[1, 0], [-1, -1]], [[0, -1], [1, -1]]])
NEGATIVES = F.normalize(NEGATIVES, dim=-1)


def test_loss_by_hand():
    losses = info_nce(ANCHORS, torch.tensor([1.0, 1.0]), NEGATIVES, temperature=0.5)
    assert losses.tolist() == pytest.approx([0.243745, 0.264072, 0.123936], abs=1e-6)
    of_classes = torch.stack([losses, losses.new_full((3,), 7.0)])
    yes, one = torch.tensor([True, True]), torch.tensor([True, False])
    assert mean_over_classes(of_classes, one, one).item() == pytest.approx(0.210584, abs=1e-6)
    assert mean_over_classes(of_classes, one, yes).item() == pytest.approx(0.105292, abs=1e-6)
    assert mean_over_classes(of_classes, ~yes, ~yes).item() == 0


def test_loss_of_equal_logits():
    same = torch.full((2, 3, 8), 8**-0.5)
    losses = info_nce(same, same[:, 0], same[:, :, None].expand(-1, -1, 50, -1), temperature=0.5)
    assert losses.shape == (2, 3)
    assert losses.flatten().tolist() == pytest.approx([math.log(51)] * 6)  # 3.931826


def test_each_class_meets_its_own_prototype_and_gets_a_gradient():
    """The release reads lists of all classes by the position among those present."""
    features = torch.randn(30, 4, requires_grad=True)
    teacher = torch.randn(30, 4)
    labels = torch.tensor([0, 4, 255]).repeat(10)
    chosen = labels < 255
    sums, counts = prototype_sums(teacher, labels, chosen, 5)
    assert counts.tolist() == [10, 0, 0, 0, 10]
    torch.testing.assert_close(sums[4] / 10, teacher[labels == 4].mean(dim=0))
    pixels, present = draw_with_replacement(chosen, labels, 20, 5)
    negatives = F.normalize(torch.randn(5, 20, 6, 4), dim=-1)
    prototypes = sums / counts[:, None].clamp(min=1)
    losses = info_nce(features[pixels], prototypes, negatives, temperature=0.5)
    mean_over_classes(losses, present, present).backward()
    moved = features.grad.abs().sum(dim=1) > 0
    assert moved[labels == 0].any() and moved[labels == 4].any() and not moved[labels == 255].any()
    expected = torch.stack(
        [
            info_nce(features[pixels[c]], prototypes[c], negatives[c], temperature=0.5).mean()
            for c in (0, 4)
        ]
    ).mean()
    torch.testing.assert_close(mean_over_classes(losses, present, present), expected)


def test_prototypes_of_two_halves_add_up():
    features, labels = torch.randn(40, 3), torch.randint(0, 4, (40,))
    chosen = torch.rand(40) < 0.5
    whole = prototype_sums(features, labels, chosen, 4)
    halves = [
        prototype_sums(features[part], labels[part], chosen[part], 4)
        for part in (slice(20), slice(20, None))
    ]
    for of_whole, first, second in zip(whole, *halves, strict=True):
        torch.testing.assert_close(of_whole, first + second)
