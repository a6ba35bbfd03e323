"""Multi-head attention under a mask that all heads share."""

import torch.nn.functional as F
from torch import Tensor, nn


def attention_mask(mask_logits: Tensor) -> Tensor:
    """Where each query of masked attention looks: inside its mask; everywhere if that is empty.

    Args:
        mask_logits: ``(B, Q, S)`` float, each query's mask at the S keys.

    Returns:
        ``(B, 1, Q, S)`` bool, True where the query looks; without gradient, no row is all False.
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
    """
    if weights.in_proj_weight is None or weights.bias_k is not None or weights.add_zero_attn:
        raise ValueError(
            'multi_head_attention needs an nn.MultiheadAttention without kdim, vdim, add_bias_kv '
            'and add_zero_attn'
        )
    matrices = weights.in_proj_weight.chunk(3)
    biases = (None,) * 3 if weights.in_proj_bias is None else weights.in_proj_bias.chunk(3)
    projected = (
        F.linear(tokens, matrix, bias).unflatten(-1, (weights.num_heads, -1)).transpose(1, 2)
        for tokens, matrix, bias in zip((query, key, value), matrices, biases, strict=True)
    )  # (B, heads, Q or S, C / heads) each
    attended = F.scaled_dot_product_attention(
        *projected, attn_mask=mask, dropout_p=weights.dropout if weights.training else 0.0
    )
    return weights.out_proj(attended.transpose(1, 2).flatten(2))
