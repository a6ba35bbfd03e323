"""Head that predicts the mask IoU of each query."""

import torch.nn.functional as F
from mmengine.model import BaseModule
from torch import Tensor, nn

from mmpldc.registry import MODELS


@MODELS.register_module()
class MaskIoUHead(BaseModule):
    """Predict the IoU of each query's mask with its object (PAIS).

    Args:
        channels: channels of a query, 256 in Mask2Former.
        loss_weight: factor on its loss, 1 in PAIS.

    Note:
        PAIS's released code has one head per stage of K-Net; here all decoder layers share one, as
        they share Mask2Former's class and mask heads.
    """

    def __init__(self, *, channels: int = 256, loss_weight: float = 1.0) -> None:
        super().__init__()
        self.loss_weight = loss_weight
        self.layers = nn.Sequential(
            nn.Linear(channels, channels, bias=False),  # LayerNorm has one
            nn.LayerNorm(channels),
            nn.ReLU(inplace=True),
            nn.Linear(channels, 1),
        )

    def forward(self, query: Tensor) -> Tensor:
        """Compute IoU logits.

        Args:
            query: ``(..., C)`` float.

        Returns:
            ``(...)`` float.
        """
        return self.layers(query).squeeze(-1)

    def loss(self, iou_logits: Tensor, iou: Tensor) -> Tensor:
        """Compute the binary cross-entropy with the actual IoU.

        Args:
            iou_logits: any shape.
            iou: float in [0, 1], same shape; gets no gradient.

        Returns:
            A tensor of the same shape.
        """
        loss = F.binary_cross_entropy_with_logits(iou_logits, iou.detach(), reduction='none')
        return self.loss_weight * loss
