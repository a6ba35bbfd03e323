"""Multi-head attention under a mask that all heads share."""

import torch.nn.functional as F
from torch import Tensor, nn


def attention_mask(mask_logits: Tensor) -> Tensor:
    """Where each query of masked attention looks: inside its mask; everywhere if that is empty.

    Args:
        mask_logits: ``(B, Q, S)`` float, each query's mask at the S keys.

    Returns:
        ``(B, 1, Q, S)`` bool, True where the query looks; without gradient, no row is all False.

    Examples:
        >>> attention_mask(torch.tensor([[[2.0, -1.0], [-3.0, -4.0]]]))  # the second mask is empty
        tensor([[[[ True, False],
                  [ True,  True]]]])
    """
    inside = mask_logits.detach().sigmoid() >= 0.5
    return (inside | ~inside.any(dim=-1, keepdim=True)).unsqueeze(1)


def multi_head_attention(
    weights: nn.MultiheadAttention,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    mask: Tensor | None = None,
) -> Tensor:
    """What ``weights(query, key, value)`` gives, by ``F.scaled_dot_product_attention``.

    The attention weights themselves are never made, and the mask is neither repeated for each head
    nor turned into floats here. Weights drop out as ``weights`` does, in training only.

    Args:
        weights: its projections, heads, dropout and mode; ``batch_first`` plays no part.
        query: ``(B, Q, C)`` with its positions added.
        key: ``(B, S, C)`` with its positions added.
        value: ``(B, S, C)``.
        mask: bool that broadcasts to ``(B, heads, Q, S)``, True where a query looks. A row that is
            all False is undefined. None: everywhere.

    Returns:
        ``(B, Q, C)``.

    Raises:
        ValueError: if ``weights`` has keys or values of another width, or keys added to the input.

    Examples:
        >>> weights = torch.nn.MultiheadAttention(8, num_heads=2, batch_first=True)
        >>> query, key = torch.rand(1, 3, 8), torch.rand(1, 5, 8)
        >>> attended = multi_head_attention(weights, query, key, key)
        >>> torch.allclose(attended, weights(query, key, key)[0], atol=1e-6)
        True
    """
    if weights.in_proj_weight is None or weights.bias_k is not None or weights.add_zero_attn:
        raise ValueError(
            'multi_head_attention needs an nn.MultiheadAttention without kdim, vdim, add_bias_kv '
            'and add_zero_attn'
        )
    matrices = weights.in_proj_weight.chunk(3)
    biases = (None,) * 3 if weights.in_proj_bias is None else weights.in_proj_bias.chunk(3)
    queries, keys, values = (
        F.linear(tokens, matrix, bias).unflatten(-1, (weights.num_heads, -1)).transpose(1, 2)
        for tokens, matrix, bias in zip((query, key, value), matrices, biases, strict=True)
    )  # (B, heads, Q or S, C / heads) each
    dropout = weights.dropout if weights.training else 0.0
    attended = F.scaled_dot_product_attention(
        queries, keys, values, attn_mask=mask, dropout_p=dropout
    )
    return weights.out_proj(attended.transpose(1, 2).flatten(2))
