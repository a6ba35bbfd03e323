"""mmdet's pixel decoder without waits for the GPU."""

import math
from collections.abc import Sequence
from typing import Any

import torch
import torch.nn.functional as F
from mmcv.ops import MultiScaleDeformableAttention
from mmcv.ops.multi_scale_deform_attn import (
    MultiScaleDeformableAttnFunction,
    multi_scale_deformable_attn_pytorch,
)
from mmdet.models.layers import MSDeformAttnPixelDecoder as MMDetMSDeformAttnPixelDecoder
from torch import Tensor
from torch.utils.checkpoint import checkpoint

from mmpldc.registry import MODELS


class DeformableAttention(MultiScaleDeformableAttention):
    """mmcv's deformable attention, batch first, with level sizes known to the host.

    mmcv's class reads them from the device to check them, and replaces its CUDA operator in
    bfloat16 by a slow substitute. Here sampling runs in float32 under any autocast.
    """

    def forward(
        self,
        query: Tensor,
        *,
        query_pos: Tensor,
        reference_points: Tensor,
        spatial_shapes: Tensor,
        level_start_index: Tensor,
        level_sizes: Sequence[tuple[int, int]],
        **kwargs: Any,
    ) -> Tensor:
        """Attend among the pixels of all levels, S in total.

        Args:
            query: ``(B, S, C)``.
            query_pos: positions, broadcast to ``query``.
            reference_points: (x, y) in [0, 1] of each pixel's centre, broadcast to
                ``(B, S, levels, 2)``.
            spatial_shapes: ``(levels, 2)`` int64, (h, w) of each level.
            level_start_index: ``(levels,)`` int64, first pixel of each level.
            level_sizes: ``spatial_shapes`` as Python integers.
            kwargs: mmdet's ``key``, ``value`` (both ``query``), ``key_pos``, ``valid_ratios`` and
                ``key_padding_mask`` (nothing is padded); not used.

        Returns:
            ``(B, S, C)``, with ``query`` added.
        """
        positioned = query + query_pos
        per_head = (self.num_heads, self.num_levels, self.num_points)
        value = self.value_proj(query).unflatten(-1, (self.num_heads, -1))
        offsets = self.sampling_offsets(positioned).unflatten(-1, (*per_head, 2))
        weights = self.attention_weights(positioned).unflatten(-1, (self.num_heads, -1))
        # fp32 island: mmcv's operator does not support bfloat16, and locations need the precision.
        with torch.autocast(query.device.type, enabled=False):
            value = value.float()
            weights = weights.float().softmax(dim=-1).unflatten(-1, per_head[1:])
            width_height = spatial_shapes.flip(-1)[:, None]  # (levels, 1, 2)
            locations = reference_points[:, :, None, :, None] + offsets.float() / width_height
            sampled = sample_levels(
                value,
                locations,
                weights,
                spatial_shapes=spatial_shapes,
                level_start_index=level_start_index,
                level_sizes=level_sizes,
                images_a_launch=self.im2col_step,
            )
        return query + self.dropout(self.output_proj(sampled))


@MODELS.register_module()
class MSDeformAttnPixelDecoder(MMDetMSDeformAttnPixelDecoder):
    """mmdet's pixel decoder with its forward rewritten; weights and outputs are the same.

    mmdet's class keeps level sizes on the device and reads them back: 9 waits for the GPU, and
    one in each layer of the encoder. In each layer it also copies the values to blank padding that
    does not exist.

    Args:
        with_cp: recompute the encoder's layers in the backward pass to save memory: they hold most
            of a step's activations (docs/performance.md).
        **kwargs: as in mmdet.

    Note:
        Under autocast values differ: sampling stays in float32 (:class:`DeformableAttention`).
    """

    def __init__(self, *, with_cp: bool = False, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.with_cp = with_cp
        for layer in self.encoder.layers:
            layer.self_attn = DeformableAttention(**layer.self_attn_cfg)

    def forward(self, feats: Sequence[Tensor]) -> tuple[Tensor, list[Tensor]]:
        """Mix the levels of the backbone.

        Args:
            feats: the backbone's feature maps ``(B, C_i, h_i, w_i)``, from high to low resolution.

        Returns:
            Mask features ``(B, C, h, w)`` in the highest resolution, and ``num_outs`` feature maps
            ``(B, C, h_i, w_i)`` from low to high resolution.
        """
        num_lateral = self.num_input_levels - self.num_encoder_levels
        encoded = feats[num_lateral:][::-1]  # from low to high resolution
        sizes = [tuple(feat.shape[-2:]) for feat in encoded]
        counts = [height * width for height, width in sizes]
        tokens = [
            convolve(feat).flatten(2).transpose(1, 2)
            for feat, convolve in zip(encoded, self.input_convs, strict=True)
        ]
        positions = [
            self.postional_encoding(None, feat[:1]).flatten(2).transpose(1, 2) + embedding
            for feat, embedding in zip(encoded, self.level_encoding.weight, strict=True)
        ]
        # no wait: a copy from pageable memory returns once the host memory has been read
        shapes = torch.tensor(sizes).to(feats[0].device, non_blocking=True)
        starts = torch.tensor([sum(counts[:level]) for level in range(len(counts))])
        geometry: dict[str, Any] = dict(
            query_pos=torch.cat(positions, dim=1),
            key_padding_mask=None,
            spatial_shapes=shapes,
            level_start_index=starts.to(feats[0].device, non_blocking=True),
            reference_points=torch.cat([_centres(feat) for feat in encoded])[None, :, None],
            level_sizes=sizes,
        )
        memory = torch.cat(tokens, dim=1)
        for layer in self.encoder.layers:
            if self.with_cp and torch.is_grad_enabled():
                memory = checkpoint(layer, memory, use_reentrant=False, **geometry)
            else:
                memory = layer(memory, **geometry)
        maps = [
            part.unflatten(-1, size)
            for part, size in zip(memory.transpose(1, 2).split(counts, dim=-1), sizes, strict=True)
        ]
        for level in reversed(range(num_lateral)):
            lateral = self.lateral_convs[level](feats[level])
            coarser = F.interpolate(
                maps[-1], lateral.shape[-2:], mode='bilinear', align_corners=False
            )
            maps.append(self.output_convs[level](lateral + coarser))
        return self.mask_feature(maps[-1]), maps[: self.num_outs]


def sample_levels(
    value: Tensor,
    locations: Tensor,
    weights: Tensor,
    *,
    spatial_shapes: Tensor,
    level_start_index: Tensor,
    level_sizes: Sequence[tuple[int, int]],
    images_a_launch: int = 64,
) -> Tensor:
    """Sum weighted values at each query's points, by mmcv's operator on a GPU, else by PyTorch.

    Args:
        value: ``(B, S, heads, C / heads)``, S pixels of all levels; not bfloat16 on a GPU.
        locations: ``(B, Q, heads, levels, points, 2)``, (x, y) in [0, 1] of their level.
        weights: ``(B, Q, heads, levels, points)``.
        spatial_shapes: ``(levels, 2)`` int64, (h, w) of each level.
        level_start_index: ``(levels,)`` int64, first pixel of each level.
        level_sizes: ``spatial_shapes`` as Python integers.
        images_a_launch: most images per launch of the operator; mmcv's default.

    Returns:
        ``(B, Q, C)``; values beyond a level's border are zero.
    """
    if not value.is_cuda:
        return multi_scale_deformable_attn_pytorch(value, level_sizes, locations, weights)
    return MultiScaleDeformableAttnFunction.apply(
        value,
        spatial_shapes,
        level_start_index,
        locations,
        weights,
        _divisor(len(value), images_a_launch),
    )


def _divisor(batch: int, most: int) -> int:
    """Return a divisor of the batch, as the operator requires; the whole batch if allowed."""
    return batch if batch <= most else math.gcd(batch, most)


def _centres(feature_map: Tensor) -> Tensor:
    """Return pixel centres (x, y) in [0, 1], ``(h * w, 2)`` float32, row by row."""
    height, width = feature_map.shape[-2:]
    y, x = (
        (torch.arange(count, device=feature_map.device) + 0.5) / count for count in (height, width)
    )
    return torch.stack(torch.meshgrid(x, y, indexing='xy'), dim=-1).flatten(0, 1)
