"""The mask loss of PL-DC (PMUA) for mmdet's registry."""

from mmdet.models.losses.utils import weight_reduce_loss
from torch import Tensor, nn

from mmpldc.functional import uncertainty_weighted_bce
from mmpldc.registry import MODELS


@MODELS.register_module()
class UncertaintyWeightedCrossEntropyLoss(nn.Module):
    """Binary cross-entropy on mask points, each weighted by its pseudo-label's certainty (Eq. 11).

    With ``uncertainty=None`` (ground truth) it equals mmdet's
    ``CrossEntropyLoss(use_sigmoid=True)``.

    Args:
        loss_weight: factor on the loss; 5.0 in Mask2Former.
        reduction: ``'none'``, ``'mean'`` or ``'sum'``.
    """

    def __init__(self, *, loss_weight: float = 1.0, reduction: str = 'mean') -> None:
        super().__init__()
        self.loss_weight = loss_weight
        self.reduction = reduction

    def forward(
        self,
        pred: Tensor,
        target: Tensor,
        uncertainty: Tensor | None = None,
        avg_factor: float | Tensor | None = None,
        reduction_override: str | None = None,
    ) -> Tensor:
        """Weigh, sum and normalise.

        Args:
            pred: the student's mask logits, any shape.
            target: mask values in [0, 1], same shape.
            uncertainty: u in [0, 1] of the pseudo-mask, same shape, or None.
            avg_factor: divides the sum under ``'mean'``: masks times points, as for the unweighted
                loss, never the sum of the weights.
            reduction_override: used instead of ``reduction``.

        Returns:
            float32 scalar, or the input's shape with ``'none'``.
        """
        loss = uncertainty_weighted_bce(pred, target, uncertainty)
        reduction = reduction_override or self.reduction
        return self.loss_weight * weight_reduce_loss(
            loss, reduction=reduction, avg_factor=avg_factor
        )
