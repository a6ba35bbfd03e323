"""Maps of a plain vision transformer's layers, such as DINOv2's, for a DPT head."""

from collections.abc import Sequence
from typing import Any

import torch.nn.functional as F
from mmdet.utils import OptMultiConfig
from mmengine.model import BaseModule
from torch import Tensor

from mmpldc.registry import MODELS

from .plain_vit import vision_transformer


@MODELS.register_module()
class ViTMaps(BaseModule):
    """mmpretrain's ``VisionTransformer`` with the outputs that mmsegmentation's ``DPTHead`` takes.

    mmsegmentation's own transformer has no layer scale, which DINOv2's weights need, and
    mmpretrain's returns maps without class tokens, of which the head makes nonsense. All layers
    attend to all tokens, and the final norm is applied to each output (UniMatch V2).

    Args:
        out_indices: layers whose outputs are returned, from 0 on.
        init_cfg: see :class:`~mmpldc.models.PlainViT`.
        vit: arguments of ``VisionTransformer`` (``arch``, ``patch_size``, ``img_size``, ...).
    """

    def __init__(
        self, *, out_indices: Sequence[int], init_cfg: OptMultiConfig = None, **vit: Any
    ) -> None:
        super().__init__()
        # The transformer loads the checkpoint itself, so that keys need no further prefix.
        self.vit = vision_transformer()(
            **vit, out_type='raw', out_indices=tuple(out_indices), init_cfg=init_cfg
        )

    def forward(self, images: Tensor) -> list[list[Tensor]]:
        """Return a map and the class token of each chosen layer.

        Args:
            images: normalised, ``(B, 3, H, W)``; if a side is no multiple of the patch's, they are
                resized to the nearest one.

        Returns:
            For each layer ``(B, D, H / patch, W / patch)`` and ``(B, D)``.
        """
        patch = self.vit.patch_embed.projection.kernel_size
        grid = [
            max(1, int(side / p + 0.5)) for side, p in zip(images.shape[2:], patch, strict=True)
        ]
        size = [cells * p for cells, p in zip(grid, patch, strict=True)]
        if size != list(images.shape[2:]):
            images = F.interpolate(images, size=size, mode='bilinear', align_corners=True)
        outputs = list(self.vit(images))
        is_last = len(self.vit.layers) - 1
        for position, layer in enumerate(self.vit.out_indices):
            if layer != is_last:  # the transformer itself norms the last one
                outputs[position] = self.vit.ln1(outputs[position])
        extra = self.vit.num_extra_tokens
        return [
            [tokens[:, extra:].transpose(1, 2).unflatten(2, grid), tokens[:, 0]]
            for tokens in outputs
        ]
