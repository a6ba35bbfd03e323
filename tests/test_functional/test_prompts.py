"""Several descriptions of a class become one logit, against loops over ragged lists."""

import math

import pytest
import torch

from mmpldc.functional import mean_embedding, pad_prompts, softmax_ensemble

COUNTS = [
    pytest.param([3], id='one class'),
    pytest.param([1, 1, 1], id='one description'),
    pytest.param([5, 5], id='equal'),
    pytest.param([1, 4, 2, 7], id='ragged'),
]


def unit_embeddings(counts, dim=6):
    return [torch.nn.functional.normalize(torch.randn(count, dim), dim=-1) for count in counts]


@pytest.mark.parametrize('counts', COUNTS)
def test_padding(counts):
    embeddings = unit_embeddings(counts)
    padded, is_prompt = pad_prompts(embeddings)
    assert padded.shape == (len(counts), max(counts), 6)
    assert is_prompt.shape == (len(counts), max(counts)) and is_prompt.dtype == torch.bool
    for rows, own, present in zip(embeddings, padded, is_prompt, strict=True):
        assert present.tolist() == [j < len(rows) for j in range(max(counts))]
        assert own[present].equal(rows)
        assert not own[~present].any()


def naive_softmax_ensemble(logits: list[float]) -> float:
    exponentials = [math.exp(logit - max(logits)) for logit in logits]
    weighted = [logit * e for logit, e in zip(logits, exponentials, strict=True)]
    return sum(weighted) / sum(exponentials)


@pytest.mark.parametrize('counts', COUNTS)
@pytest.mark.parametrize('scale', [1.0, 14.3, 100.0])
def test_softmax_ensemble_equals_the_loop(counts, scale):
    features, embeddings = unit_embeddings([8])[0], unit_embeddings(counts)
    texts, is_prompt = pad_prompts(embeddings)
    result = softmax_ensemble(scale * torch.einsum('kd,njd->knj', features, texts), is_prompt)
    assert result.shape == (8, len(counts))
    for feature, row in zip(features, result.tolist(), strict=True):
        for rows, logit in zip(embeddings, row, strict=True):
            logits = [
                scale * sum(a * b for a, b in zip(feature.tolist(), text, strict=True))
                for text in rows.tolist()
            ]
            assert logit == pytest.approx(naive_softmax_ensemble(logits), abs=1e-4, rel=1e-5)


def test_what_stands_in_the_padding_does_not_count():
    logits = torch.randn(4, 2, 3)
    is_prompt = torch.tensor([[True, True, True], [True, False, False]])
    expected = softmax_ensemble(logits, is_prompt)
    torch.testing.assert_close(expected[:, 1], logits[:, 1, 0])
    logits[:, 1, 1:] = 1e4
    assert softmax_ensemble(logits, is_prompt).equal(expected)


def test_the_best_description_dominates():
    logits, is_prompt = torch.tensor([[[50.0, 0.0, -50.0]]]), torch.ones(1, 3, dtype=torch.bool)
    assert softmax_ensemble(logits, is_prompt).item() == pytest.approx(50)


@pytest.mark.parametrize('counts', COUNTS)
def test_mean_embedding_equals_the_loop(counts):
    embeddings = unit_embeddings(counts)
    means = mean_embedding(*pad_prompts(embeddings))
    assert means.shape == (len(counts), 6)
    for rows, mean in zip(embeddings, means.tolist(), strict=True):
        columns = [sum(column) / len(rows) for column in zip(*rows.tolist(), strict=True)]
        length = math.sqrt(sum(value**2 for value in columns))
        assert mean == pytest.approx([value / length for value in columns], abs=1e-5)


def test_no_region():
    _, is_prompt = pad_prompts(unit_embeddings([2, 3]))
    assert softmax_ensemble(torch.zeros(0, 2, 3), is_prompt).shape == (0, 2)


def test_under_autocast():
    texts, is_prompt = pad_prompts(unit_embeddings([1, 4, 2]))
    logits = 20 * torch.randn(5, 3, 4)
    with torch.autocast('cpu', torch.bfloat16):
        ensemble, means = softmax_ensemble(logits, is_prompt), mean_embedding(texts, is_prompt)
    torch.testing.assert_close(ensemble, softmax_ensemble(logits, is_prompt))
    torch.testing.assert_close(means, mean_embedding(texts, is_prompt))
