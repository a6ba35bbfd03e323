"""Plain vision transformer, such as DINOv2, on Mask2Former's grid."""

from typing import Any

import torch.nn.functional as F
from mmdet.utils import OptMultiConfig
from mmengine.model import BaseModule
from torch import Tensor

from mmpldc.registry import MODELS

STRIDE = 16  # of the output map, as in ViTDet; SimpleFeaturePyramid derives 4, 8, 16 and 32


@MODELS.register_module()
class PlainViT(BaseModule):
    """mmpretrain's ``VisionTransformer`` with tokens on a grid of stride 16, for any patch size.

    The image is resized by patch / 16 (1024 to 896 for DINOv2's patches of 14), so that a token
    corresponds to a cell of 16 x 16 pixels of the padded batch. mmpretrain interpolates the
    positional embedding to that grid and calls ``scaled_dot_product_attention``; every layer
    attends to all tokens.

    Args:
        frozen: train without gradients, and keep eval mode.
        init_cfg: ``dict(type='Pretrained', checkpoint=..., prefix='backbone.')`` for a checkpoint
            of mmpretrain. Without the prefix mmengine finds no key and only warns.
        vit: arguments of ``VisionTransformer`` (``arch``, ``patch_size``, ``img_size``, ...),
            apart from ``out_type`` and ``out_indices``.

    Note:
        ViTDet uses window attention in most layers, to save memory. DINOv2 was trained without
        windows, so this class uses none.
    """

    def __init__(
        self, *, frozen: bool = False, init_cfg: OptMultiConfig = None, **vit: Any
    ) -> None:
        super().__init__()
        # The transformer loads the checkpoint itself, so that keys need no further prefix.
        self.vit = vision_transformer()(**vit, out_type='featmap', init_cfg=init_cfg)
        self.frozen = frozen
        if frozen:
            self.requires_grad_(False)

    def forward(self, images: Tensor) -> tuple[Tensor]:
        """Return the last layer's tokens, after the final norm, as a feature map.

        Args:
            images: normalised, ``(B, 3, H, W)``.

        Returns:
            One map, ``(B, C, H / 16, W / 16)``.

        Raises:
            ValueError: if a side is not a multiple of 16.
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


def vision_transformer() -> type:
    """Import the optional package's class, only when a model with it is built."""
    try:
        from mmpretrain.models import VisionTransformer
    except ImportError as error:
        raise ImportError('this backbone needs mmpretrain: pip install onedl-mmpretrain') from error
    return VisionTransformer
