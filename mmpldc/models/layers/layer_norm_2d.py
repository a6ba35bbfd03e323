"""Layer norm for feature maps."""

from torch import Tensor, nn


class LayerNorm2d(nn.LayerNorm):
    """Layer norm over the channels of ``(B, C, H, W)``, at each position separately."""

    def forward(self, x: Tensor) -> Tensor:
        """Normalise; the output has the same shape and is contiguous."""
        return super().forward(x.permute(0, 2, 3, 1)).permute(0, 3, 1, 2).contiguous()
