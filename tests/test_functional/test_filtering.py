"""Candidates and threshold filters (Eq. 5) against loops."""

import pytest
import torch

from mmpldc.functional import (
    best_class_per_query,
    coupled_threshold_filter,
    dual_threshold_filter,
    topk_query_class_pairs,
)


@pytest.mark.parametrize(
    ('class_quality', 'mask_quality', 'dual', 'coupled'),
    [
        (0.90, 0.95, True, True),
        (0.84, 0.99, False, True),  # a sharp mask must not make up for a doubtful class
        (0.99, 0.80, False, True),  # nor the reverse
        (0.85, 0.90, True, True),  # thresholds are inclusive
        (0.80, 0.90, False, False),
        (0.86, 0.889, False, False),
        (0.0, 0.0, False, False),
        (1.0, 1.0, True, True),
    ],
)
def test_decision_table_of_the_papers_thresholds(class_quality, mask_quality, dual, coupled):
    qualities = torch.tensor([class_quality]), torch.tensor([mask_quality])
    assert dual_threshold_filter(*qualities, class_thr=0.85, mask_thr=0.90).tolist() == [dual]
    score_thr = torch.tensor(0.85) * torch.tensor(0.90)  # 0.765 rounded as the product is
    assert coupled_threshold_filter(*qualities, score_thr=score_thr).tolist() == [coupled]


@pytest.mark.parametrize('dtype', [torch.float32, torch.float16, torch.bfloat16])
def test_filters_equal_the_loop(dtype):
    class_quality, mask_quality = torch.rand(2, 3, 50, dtype=dtype)
    dual = dual_threshold_filter(class_quality, mask_quality, class_thr=0.5, mask_thr=0.25)
    coupled = coupled_threshold_filter(class_quality, mask_quality, score_thr=0.25)
    assert dual.dtype == coupled.dtype == torch.bool
    for image in range(3):
        for index in range(50):
            c, m = class_quality[image, index].item(), mask_quality[image, index].item()
            assert dual[image, index].item() == (c >= 0.5 and m >= 0.25)
            if abs(c * m - 0.25) > 0.01:  # a half-precision product is rounded
                assert coupled[image, index].item() == (c * m >= 0.25)


def test_a_threshold_per_class():
    class_quality, mask_quality = torch.rand(2, 4, 30)
    labels = torch.randint(3, (4, 30))
    class_thr, mask_thr = torch.tensor([0.2, 0.5, 0.8]), torch.tensor([0.7, 0.1, 0.4])
    keep = dual_threshold_filter(
        class_quality, mask_quality, class_thr=class_thr[labels], mask_thr=mask_thr[labels]
    )
    coupled = coupled_threshold_filter(class_quality, mask_quality, score_thr=class_thr[labels])
    for image in range(4):
        for index in range(30):
            label = labels[image, index]
            c, m = class_quality[image, index], mask_quality[image, index]
            assert keep[image, index] == (c >= class_thr[label] and m >= mask_thr[label])
            assert coupled[image, index] == (c * m >= class_thr[label])


def test_thresholds_broadcast_over_classes():
    """(queries, classes) qualities against one threshold per class, and a scalar for the mask."""
    class_quality = torch.tensor([[0.3, 0.6], [0.5, 0.4]])
    keep = dual_threshold_filter(
        class_quality,
        torch.ones(2, 1),
        class_thr=torch.tensor([0.4, 0.5]),
        mask_thr=torch.tensor(0.9),
    )
    assert keep.tolist() == [[False, True], [True, False]]


def test_filters_of_nothing():
    nothing = torch.zeros(2, 0)
    assert dual_threshold_filter(nothing, nothing, class_thr=0.5, mask_thr=0.5).shape == (2, 0)
    assert coupled_threshold_filter(nothing, nothing, score_thr=0.5).shape == (2, 0)
    assert best_class_per_query(torch.zeros(2, 0, 4))[2].shape == (2, 0)
    assert topk_query_class_pairs(torch.zeros(2, 0, 4), 5)[2].shape == (2, 0)


def test_best_class_per_query_numbers_the_queries():
    logits = torch.randn(2, 4, 6)
    quality, label, query = best_class_per_query(logits)
    assert query.tolist() == [[0, 1, 2, 3]] * 2
    assert label.dtype == query.dtype == torch.int64
    probabilities = logits.softmax(dim=-1)[..., :-1]
    for image in range(2):
        for index in range(4):
            row = probabilities[image, index].tolist()
            assert quality[image, index].item() == pytest.approx(max(row))
            assert label[image, index].item() == row.index(max(row))


@pytest.mark.parametrize('dtype', [torch.float32, torch.float16, torch.bfloat16])
@pytest.mark.parametrize('k', [1, 7, 15, 100])
def test_topk_equals_sorting_all_pairs(k, dtype):
    logits = (2 * torch.randn(2, 5, 4)).to(dtype)  # 5 queries, 3 classes: 15 pairs
    quality, label, query = topk_query_class_pairs(logits, k)
    assert quality.shape == label.shape == query.shape == (2, min(k, 15))
    probabilities = logits.float().softmax(dim=-1)
    for image in range(2):
        pairs = [(probabilities[image, q, c].item(), q, c) for q in range(5) for c in range(3)]
        best = sorted(pairs, reverse=True)[:k]
        assert quality[image].tolist() == pytest.approx([pair[0] for pair in best])
        chosen = list(zip(query[image].tolist(), label[image].tolist(), strict=True))
        assert len(set(chosen)) == len(chosen)
        for value, (q, c) in zip(quality[image], chosen, strict=True):
            assert value == pytest.approx(probabilities[image, q, c].item())


def test_one_query_with_two_classes_only_among_pairs():
    logits = torch.tensor([[[1.0, 0.9, -5.0], [-5.0, -5.0, 5.0]]])  # an undecided query, an empty
    _, label, query = topk_query_class_pairs(logits, 2)
    assert (query.tolist(), label.tolist()) == ([[0, 0]], [[0, 1]])
    _, label, query = best_class_per_query(logits)
    assert query.tolist() == [[0, 1]]
    assert label[0, 0] == 0


def test_candidates_agree_where_the_threshold_is_above_one_half():
    logits = 3 * torch.randn(3, 20, 5)
    kept = []
    for quality, label, query in (best_class_per_query(logits), topk_query_class_pairs(logits, 80)):
        passing = (quality > 0.5).nonzero().tolist()
        kept.append({(i, query[i, j].item(), label[i, j].item()) for i, j in passing})
    assert kept[0] == kept[1]
    assert len(kept[0]) > 10
