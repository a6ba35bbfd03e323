"""Mask loss of PL-DC (PMUA) and of other methods that weight pixels."""

from collections.abc import Sequence

import torch
from mmdet.models.losses.utils import weight_reduce_loss
from mmdet.utils import ConfigType
from torch import Tensor, nn

from mmpldc.functional import uncertainty_weighted_bce
from mmpldc.models.pseudo_labels import MaskPoints
from mmpldc.registry import MODELS, TASK_UTILS

PMUA = (dict(type='mmpldc.CertaintyWeights'),)


@MODELS.register_module()
class UncertaintyWeightedCrossEntropyLoss(nn.Module):
    """Binary cross-entropy on mask points, each pseudo-label's weighted by its certainty (Eq. 11).

    Points of ground truth all weigh 1: there the loss equals mmdet's
    ``CrossEntropyLoss(use_sigmoid=True)``.

    Args:
        loss_weight: factor on the loss; 5.0 in Mask2Former.
        reduction: ``'none'``, ``'mean'`` or ``'sum'``.
        pixel_weights: configs of weights for the points of pseudo-masks; several are multiplied
            (:class:`~mmpldc.models.pseudo_labels.WeighsPixels`). The default is PMUA's certainty;
            an empty list gives every point the weight 1.
    """

    def __init__(
        self,
        *,
        loss_weight: float = 1.0,
        reduction: str = 'mean',
        pixel_weights: Sequence[ConfigType] = PMUA,
    ) -> None:
        super().__init__()
        self.loss_weight = loss_weight
        self.reduction = reduction
        self.pixel_weights = [TASK_UTILS.build(part) for part in pixel_weights]

    def weigh(self, samples: MaskPoints) -> Tensor | None:
        """Multiply the weights of pseudo-mask points, ``(K, P)``; None: all are 1."""
        if not self.pixel_weights:
            return None
        weights = [weigh(samples) for weigh in self.pixel_weights]
        return weights[0] if len(weights) == 1 else torch.stack(weights).prod(dim=0)

    def forward(
        self,
        pred: Tensor,
        target: Tensor,
        uncertainty: Tensor | None = None,
        avg_factor: float | Tensor | None = None,
        reduction_override: str | None = None,
        weight: Tensor | None = None,
    ) -> Tensor:
        """Weight, sum and normalise.

        Args:
            pred: the student's mask logits, any shape.
            target: mask values in [0, 1], same shape.
            uncertainty: u in [0, 1] of the pseudo-mask, same shape, for a weight of 1 - u; None: 1.
            avg_factor: divides the sum under ``'mean'``: masks times points, as for the unweighted
                loss, never the sum of the weights.
            reduction_override: used instead of ``reduction``.
            weight: a further weight of each point, of at least 0, same shape, see :meth:`weigh`.

        Returns:
            float32 scalar, or the input's shape with ``'none'``.
        """
        loss = uncertainty_weighted_bce(pred, target, uncertainty)
        if weight is not None:
            loss = weight.float() * loss
        reduction = reduction_override or self.reduction
        return self.loss_weight * weight_reduce_loss(
            loss, reduction=reduction, avg_factor=avg_factor
        )
