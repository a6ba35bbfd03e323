"""Mask cross-entropy cost between every query and every target."""

import torch.nn.functional as F
from mmdet.models.task_modules.assigners import CrossEntropyLossCost
from torch import Tensor

from mmpldc.registry import TASK_UTILS


@TASK_UTILS.register_module()
class MaskCrossEntropyCost(CrossEntropyLossCost):
    """mmdet's ``CrossEntropyLossCost(use_sigmoid=True)`` with half the work.

    With logits x and targets t the cross-entropy is softplus(x) - x t. Its first term is the same
    for all targets, which leaves one matrix product and one softplus instead of two each.
    """

    def _binary_cross_entropy(self, cls_pred: Tensor, gt_labels: Tensor) -> Tensor:
        """Compute the parent's cost.

        Args:
            cls_pred: mask logits at P points, ``(Q, P)``.
            gt_labels: mask values in [0, 1], ``(G, P)``.

        Returns:
            ``(Q, G)`` float32, mean over points.
        """
        logits, targets = cls_pred.flatten(1).float(), gt_labels.flatten(1).float()
        return (F.softplus(logits).sum(dim=1)[:, None] - logits @ targets.T) / logits.shape[1]
