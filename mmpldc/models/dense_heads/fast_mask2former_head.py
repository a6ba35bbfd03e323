"""Faster forward pass of Mask2Former's head."""

from collections.abc import Sequence
from itertools import cycle
from typing import NamedTuple

import torch
from mmcv.cnn.bricks.transformer import MultiheadAttention
from mmdet.models.dense_heads import Mask2FormerHead
from mmdet.models.layers.transformer.mask2former_layers import Mask2FormerTransformerDecoderLayer
from mmdet.structures import SampleList
from torch import Tensor

from mmpldc.functional import attention_mask, multi_head_attention, resize
from mmpldc.structures import HeadOutputs, LayerOutputs


class Level(NamedTuple):
    """A feature level as seen by the decoder's queries; S = h * w.

    Attributes:
        key: ``(B, S, C)`` tokens with their positions.
        value: ``(B, S, C)`` tokens.
        size: h, w.
    """

    key: Tensor
    value: Tensor
    size: tuple[int, int]


class FastMask2FormerHead(Mask2FormerHead):
    """mmdet's ``Mask2FormerHead`` with its forward rewritten; weights and outputs are the same.

    Differences from the parent's forward:

    - Attention weights are never materialised; attention masks are shared by the heads and kept out
      of the graph (:mod:`mmpldc.functional.attention`).
    - Positional encodings are computed once for all images.
    - :meth:`predict_last` and :meth:`predict` skip the outputs of the layers before the last.

    The decoder's layers are not called as modules: mmengine's ``activation_checkpointing`` of them
    and hooks on them have no effect.

    Note:
        Values are equal up to rounding. Rounding may flip a pixel at the very edge of a mask, which
        changes that query a little, as a different batch size does in mmdet.
    """

    def forward(
        self, x: Sequence[Tensor], batch_data_samples: SampleList | None = None
    ) -> HeadOutputs:
        """Compute the outputs of all L prediction layers: initial queries and each decoder layer.

        Args:
            x: the backbone's feature maps.
            batch_data_samples: not used; mmdet's interface.

        Returns:
            For each layer the attributes of :class:`~mmpldc.structures.LayerOutputs`; h and w are
            those of the largest feature map.
        """
        mask_features, levels = self._decode_pixels(x)
        query = self._initial_query(mask_features)
        outputs = [self._predict_layer(query, mask_features)]
        for layer, level in zip(self.transformer_decoder.layers, cycle(levels), strict=False):
            mask_logits = outputs[-1].mask_logits
            mask = attention_mask(resize(mask_logits.detach(), level.size).flatten(2))
            query = _decoder_layer(layer, query, self.query_embed.weight, level, mask)
            outputs.append(self._predict_layer(query, mask_features))
        return HeadOutputs.from_layers(outputs)

    @torch.no_grad()
    def predict_last(self, x: Sequence[Tensor]) -> LayerOutputs:
        """Compute the outputs of the last layer alone, for inference.

        Masks of earlier layers are needed for attention only, so they are computed at its
        resolution: resizing is linear, and resizing the mask features once resizes every mask.

        Args:
            x: the backbone's feature maps.

        Returns:
            The last layer's outputs, as by :meth:`forward`.
        """
        mask_features, levels = self._decode_pixels(x)
        features = [resize(mask_features, level.size).flatten(2) for level in levels]
        query = self._initial_query(mask_features)
        for layer, (level, resized) in zip(
            self.transformer_decoder.layers, cycle(zip(levels, features, strict=True)), strict=False
        ):
            mask = attention_mask(self.mask_embed(self._normalize(query)) @ resized)
            query = _decoder_layer(layer, query, self.query_embed.weight, level, mask)
        return self._predict_layer(query, mask_features)

    def predict(self, x: Sequence[Tensor], batch_data_samples: SampleList) -> tuple[Tensor, Tensor]:
        """Predict as the parent: :meth:`predict_last`, masks resized to the padded batch frame."""
        outputs = self.predict_last(x)
        size = batch_data_samples[0].batch_input_shape[:2]
        return outputs.cls_logits, resize(outputs.mask_logits, size)

    def _decode_pixels(self, x: Sequence[Tensor]) -> tuple[Tensor, list[Level]]:
        """Return mask features ``(B, C, h, w)``, and the levels from low to high resolution."""
        mask_features, maps = self.pixel_decoder(x)
        levels = []
        for feature_map, project, embedding in zip(
            maps[: self.num_transformer_feat_level],
            self.decoder_input_projs,
            self.level_embed.weight,
            strict=True,
        ):
            value = project(feature_map).flatten(2).transpose(1, 2) + embedding
            # mask=None: no image of the batch is padded, as for the parent; (1, C, h, w)
            position = self.decoder_positional_encoding(None, feature_map[:1])
            key = value + position.flatten(2).transpose(1, 2)
            levels.append(Level(key, value, tuple(feature_map.shape[-2:])))
        return mask_features, levels

    def _initial_query(self, mask_features: Tensor) -> Tensor:
        """Return the learnt queries of each image, ``(B, Q, C)``."""
        return self.query_feat.weight.expand(mask_features.shape[0], -1, -1)

    def _normalize(self, query: Tensor) -> Tensor:
        return self.transformer_decoder.post_norm(query)

    def _predict_layer(self, query: Tensor, mask_features: Tensor) -> LayerOutputs:
        """Predict from queries ``(B, Q, C)`` and mask features ``(B, C, h, w)``."""
        query = self._normalize(query)
        mask_logits = torch.einsum('bqc,bchw->bqhw', self.mask_embed(query), mask_features)
        return LayerOutputs(self.cls_embed(query), mask_logits)


def _decoder_layer(
    layer: Mask2FormerTransformerDecoderLayer,
    query: Tensor,
    query_position: Tensor,
    level: Level,
    mask: Tensor,
) -> Tensor:
    """Apply mmdet's layer: attention to pixels, then among queries, feed-forward; norm after each.

    Args:
        layer: the layer's modules.
        query: ``(B, Q, C)``.
        query_position: ``(Q, C)``.
        level: the level that the queries attend to.
        mask: ``(B, 1, Q, S)`` bool, True where a query may attend.

    Returns:
        ``(B, Q, C)``.
    """
    positioned = query + query_position
    query = _attend(layer.cross_attn, query, positioned, level.key, level.value, mask)
    query = layer.norms[0](query)
    positioned = query + query_position
    query = layer.norms[1](_attend(layer.self_attn, query, positioned, positioned, query))
    return layer.norms[2](layer.ffn(query))


def _attend(
    attention: MultiheadAttention,
    identity: Tensor,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    mask: Tensor | None = None,
) -> Tensor:
    """Add the attention's output to ``identity``, ``(B, Q, C)``."""
    attended = multi_head_attention(attention.attn, query, key, value, mask)
    return identity + attention.dropout_layer(attention.proj_drop(attended))
