"""ViTDet's feature pyramid: four scales from the last map of a plain vision transformer."""

from collections.abc import Sequence

from mmdet.utils import OptMultiConfig
from mmengine.model import BaseModule, ModuleList
from torch import Tensor, nn

from mmpldc.models.layers.layer_norm_2d import LayerNorm2d
from mmpldc.registry import MODELS


@MODELS.register_module()
class SimpleFeaturePyramid(BaseModule):
    """ViTDet's simple feature pyramid (arXiv 2203.16527, section 3): strides 4, 8, 16 and 32.

    Each scale is computed from the map of stride 16: by two deconvolutions with a norm and GELU
    between them, one, none, or a max pooling. Then follow a 1 x 1 and a 3 x 3 convolution, each
    without bias and with a norm. The first deconvolution halves the channels, the second halves
    them again, as in detectron2's implementation, whose norms have an epsilon of 1e-6.

    Args:
        in_channels: C of the transformer's map, a multiple of 4.
        out_channels: channels of all four maps; 256 in ViTDet.
        init_cfg: as in mmengine's ``BaseModule``.
    """

    def __init__(
        self, *, in_channels: int, out_channels: int = 256, init_cfg: OptMultiConfig = None
    ) -> None:
        super().__init__(init_cfg)
        half, quarter = in_channels // 2, in_channels // 4
        resamplers = (  # the layers and their output channels
            (
                (
                    nn.ConvTranspose2d(in_channels, half, kernel_size=2, stride=2),
                    LayerNorm2d(half, eps=1e-6),
                    nn.GELU(),
                    nn.ConvTranspose2d(half, quarter, kernel_size=2, stride=2),
                ),
                quarter,
            ),
            ((nn.ConvTranspose2d(in_channels, half, kernel_size=2, stride=2),), half),
            ((), in_channels),
            ((nn.MaxPool2d(kernel_size=2, stride=2),), in_channels),
        )
        self.scales = ModuleList(
            nn.Sequential(
                *resampler,
                nn.Conv2d(channels, out_channels, kernel_size=1, bias=False),
                LayerNorm2d(out_channels, eps=1e-6),
                nn.Conv2d(out_channels, out_channels, kernel_size=3, padding=1, bias=False),
                LayerNorm2d(out_channels, eps=1e-6),
            )
            for resampler, channels in resamplers
        )

    def forward(self, maps: Sequence[Tensor]) -> tuple[Tensor, ...]:
        """Compute four maps from the last one.

        Args:
            maps: of the backbone; the last one is ``(B, C, H / 16, W / 16)``.

        Returns:
            ``(B, out_channels, H / s, W / s)`` for s = 4, 8, 16, 32; the last rounded down.
        """
        return tuple(scale(maps[-1]) for scale in self.scales)
