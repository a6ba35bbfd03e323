"""How well each query's mask fits, predicted from the query."""

import torch.nn.functional as F
from mmengine.model import BaseModule
from torch import Tensor, nn

from mmpldc.registry import MODELS


@MODELS.register_module()
class MaskIoUHead(BaseModule):
    """Predicts the IoU of each query's mask with its object (PAIS).

    Args:
        channels: of a query, 256 in Mask2Former.
        loss_weight: factor on its loss, 1 in PAIS.

    Note:
        PAIS's release has one on each stage of K-Net; here all decoder layers share one, as they
        share Mask2Former's class and mask heads.
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
        """Logits of the IoU.

        Args:
            query: ``(..., C)`` float.

        Returns:
            ``(...)`` float.
        """
        return self.layers(query).squeeze(-1)

    def loss(self, iou_logits: Tensor, iou: Tensor) -> Tensor:
        """Binary cross-entropy to the IoU that was reached.

        Args:
            iou_logits: any shape.
            iou: float in [0, 1], same shape; gets no gradient.

        Returns:
            Of the same shape.
        """
        loss = F.binary_cross_entropy_with_logits(iou_logits, iou.detach(), reduction='none')
        return self.loss_weight * loss
