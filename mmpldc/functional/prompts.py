"""From several descriptions a class to one logit a class."""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor


def pad_prompts(embeddings: Sequence[Tensor]) -> tuple[Tensor, Tensor]:
    """Classes with different numbers of descriptions as one tensor.

    Args:
        embeddings: per class, ``(J_n, D)`` float.

    Returns:
        ``(N, J, D)`` float with J the largest number, rows of 0 where a class has fewer, and
        ``(N, J)`` bool, true where there is a description.

    Examples:
        >>> padded, is_prompt = pad_prompts([torch.ones(1, 4), torch.ones(2, 4)])
        >>> padded.shape, is_prompt
        (torch.Size([2, 2, 4]), tensor([[ True, False],
                [ True,  True]]))
    """
    counts = torch.tensor([len(rows) for rows in embeddings])
    padded = torch.nn.utils.rnn.pad_sequence(list(embeddings), batch_first=True)
    return padded, (torch.arange(padded.shape[1]) < counts[:, None]).to(padded.device)


def softmax_ensemble(logits: Tensor, is_prompt: Tensor) -> Tensor:
    """Class logit = sum_j l_j softmax_j(l): the best descriptions count most, as released.

    Args:
        logits: ``(K, N, J)`` float, scaled similarity of each region to each description.
        is_prompt: ``(N, J)`` bool.

    Returns:
        ``(K, N)`` float.

    Examples:
        >>> is_prompt = torch.tensor([[True, True], [True, False]])
        >>> softmax_ensemble(torch.tensor([[[0.0, 9.0], [4.0, 0.0]]]), is_prompt).round()
        tensor([[9., 4.]])
    """
    share = logits.masked_fill(~is_prompt, -torch.inf).softmax(dim=-1)
    return (share * logits).sum(dim=-1)


def mean_embedding(embeddings: Tensor, is_prompt: Tensor) -> Tensor:
    """The normalised mean of a class's normalised embeddings: CLIP's own ensembling.

    Args:
        embeddings: ``(N, J, D)`` float, rows of length 1.
        is_prompt: ``(N, J)`` bool.

    Returns:
        ``(N, D)`` float, rows of length 1.

    Examples:
        >>> mean_embedding(torch.tensor([[[1.0, 0.0], [0.0, 1.0]]]), torch.tensor([[True, True]]))
        tensor([[0.7071, 0.7071]])
    """
    return F.normalize((embeddings * is_prompt[..., None]).sum(dim=1), dim=-1)
