"""A plain vision transformer, DINOv2 for one, on Mask2Former's grid."""

from typing import Any

import torch.nn.functional as F
from mmdet.utils import OptMultiConfig
from mmengine.model import BaseModule
from torch import Tensor

from mmpldc.registry import MODELS

STRIDE = 16  # of the map: ViTDet's, from which SimpleFeaturePyramid makes 4, 8, 16 and 32


@MODELS.register_module()
class PlainViT(BaseModule):
    """mmpretrain's ``VisionTransformer`` whose tokens lie on a grid of stride 16, for any patch.

    The image is resized by patch / 16 (1024 to 896 for DINOv2's patches of 14), so that a token is
    a cell of 16 x 16 pixels of the padded batch. mmpretrain interpolates the positional embedding
    to that grid and calls ``scaled_dot_product_attention``; every layer attends to all tokens.

    Args:
        frozen: no gradients, and eval mode for good.
        init_cfg: ``dict(type='Pretrained', checkpoint=..., prefix='backbone.')`` for a checkpoint
            of mmpretrain. Without the prefix mmengine finds no key and only warns.
        vit: arguments of ``VisionTransformer`` (``arch``, ``patch_size``, ``img_size``, ...),
            apart from ``out_type`` and ``out_indices``.

    Note:
        ViTDet has window attention in most layers, to save memory. DINOv2 was not trained with
        windows, so there are none here.
    """

    def __init__(
        self, *, frozen: bool = False, init_cfg: OptMultiConfig = None, **vit: Any
    ) -> None:
        super().__init__()
        # The transformer takes the checkpoint itself, so that keys need no further prefix.
        self.vit = _vision_transformer()(**vit, out_type='featmap', init_cfg=init_cfg)
        self.frozen = frozen
        if frozen:
            self.requires_grad_(False)

    def forward(self, images: Tensor) -> tuple[Tensor]:
        """The last layer's tokens, after the final norm, as a map.

        Args:
            images: normalised, ``(B, 3, H, W)``.

        Returns:
            One map, ``(B, C, H / 16, W / 16)``.

        Raises:
            ValueError: if a side is no multiple of 16.
        """
        height, width = images.shape[-2:]
        if height % STRIDE or width % STRIDE:
            raise ValueError(
                f'PlainViT needs sides that are multiples of {STRIDE}, got {height} x {width}: set '
                "the data preprocessor's pad_size_divisor to 32"
            )
        patch_height, patch_width = self.vit.patch_embed.projection.kernel_size
        size = height // STRIDE * patch_height, width // STRIDE * patch_width
        if size != (height, width):
            images = F.interpolate(images, size=size, mode='bilinear', antialias=True)
        return self.vit(images)

    def train(self, mode: bool = True) -> 'PlainViT':
        """Switch the mode, unless frozen."""
        return super().train(mode and not self.frozen)


def _vision_transformer() -> type:
    """The optional package's class, imported when a model with it is built and nowhere else."""
    try:
        from mmpretrain.models import VisionTransformer
    except ImportError as error:
        raise ImportError('PlainViT needs mmpretrain: pip install onedl-mmpretrain') from error
    return VisionTransformer
