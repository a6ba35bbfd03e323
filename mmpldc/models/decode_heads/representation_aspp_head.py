"""DeepLabv3+'s decoder with a branch that represents pixels, for contrast (U2PL)."""

from collections.abc import Sequence
from typing import Any

import torch
from mmcv.cnn import ConvModule
from mmseg.models.decode_heads import DepthwiseSeparableASPPHead
from mmseg.models.utils import resize
from torch import Tensor, nn


class RepresentationASPPHead(DepthwiseSeparableASPPHead):
    """mmsegmentation's ``DepthwiseSeparableASPPHead`` and, beside its classifier, a projection.

    Both read one map, ASPP's output next to the low-level features, at the latter's stride (4).
    The classifier's weights, names and logits are the parent's, so that a published model, whose
    ``representation.*`` is dropped, is a plain ``DepthwiseSeparableASPPHead``.

    Args:
        representation_channels: D, 256 in U2PL.
        **kwargs: of the parent; ``c1_in_channels`` must be above 0.

    Raises:
        ValueError: without low-level features.
    """

    def __init__(self, *, representation_channels: int = 256, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        if self.c1_bottleneck is None:
            raise ValueError('RepresentationASPPHead needs c1_in_channels above 0')
        convs: list[nn.Module] = []
        for in_channels in (self.channels + kwargs['c1_channels'], self.channels):
            convs.append(
                ConvModule(
                    in_channels,
                    self.channels,
                    3,
                    padding=1,
                    conv_cfg=self.conv_cfg,
                    norm_cfg=self.norm_cfg,
                    act_cfg=self.act_cfg,
                )
            )
            if self.dropout_ratio > 0:
                convs.append(nn.Dropout2d(self.dropout_ratio))
        convs.append(nn.Conv2d(self.channels, representation_channels, 1))
        self.representation = nn.Sequential(*convs)

    def forward(self, inputs: Sequence[Tensor]) -> Tensor:
        """Logits.

        Args:
            inputs: the backbone's maps ``(B, C_i, H_i, W_i)``, the first at stride 4.

        Returns:
            ``(B, C, H_0, W_0)``, the parent's.
        """
        return self.classify(self.fuse(inputs))

    def forward_with_representation(self, inputs: Sequence[Tensor]) -> tuple[Tensor, Tensor]:
        """Logits and representation.

        Args:
            inputs: as of :meth:`forward`.

        Returns:
            Logits ``(B, C, H_0, W_0)`` and representation ``(B, D, H_0, W_0)``, not normalised.
        """
        fused = self.fuse(inputs)
        return self.classify(fused), self.representation(fused)

    def fuse(self, inputs: Sequence[Tensor]) -> Tensor:
        """ASPP's output next to the low-level features, ``(B, channels + c1, H_0, W_0)``."""
        low_level = self.c1_bottleneck(inputs[0])
        context = resize(
            self._forward_feature(inputs),
            size=low_level.shape[2:],
            mode='bilinear',
            align_corners=self.align_corners,
        )
        return torch.cat([context, low_level], dim=1)

    def classify(self, fused: Tensor) -> Tensor:
        """Logits ``(B, C, H_0, W_0)``."""
        return self.cls_seg(self.sep_bottleneck(fused))
