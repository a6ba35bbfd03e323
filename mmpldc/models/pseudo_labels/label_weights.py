"""Weight pseudo-labels in the losses by their quality."""

import math
from collections.abc import Sequence
from typing import NamedTuple, Protocol

import torch
from mmengine.structures import InstanceData
from torch import Tensor

from mmpldc.functional import aligned_weight, certain_quality
from mmpldc.registry import TASK_UTILS
from mmpldc.schedules import Progress


class LabelWeights(NamedTuple):
    """Weights of the T pseudo-labels of a batch.

    Attributes:
        label: ``(T,)`` float, in the class loss of the query matched with a label.
        mask: ``(T,)`` float, in that query's mask and dice loss.
        no_object: weight of queries without a label; the class loss is then divided by the number
            of labels. None leaves weight and divisor to the head.
    """

    label: Tensor
    mask: Tensor
    no_object: float | None = None

    @classmethod
    def product(cls, parts: Sequence['LabelWeights']) -> 'LabelWeights':
        """Multiply the weights of at least one part; those of "no object" where they are set."""
        given = [part.no_object for part in parts if part.no_object is not None]
        return cls(
            label=torch.stack([part.label for part in parts]).prod(dim=0),
            mask=torch.stack([part.mask for part in parts]).prod(dim=0),
            no_object=math.prod(given) if given else None,
        )


class WeighsLabels(Protocol):
    """Interface of ``model.pseudo_label_weights``."""

    def __call__(self, labels: InstanceData, progress: Progress | None) -> LabelWeights:
        """Compute the weights of T labels.

        Args:
            labels: labels of the batch, image after image, with the fields of
                :attr:`~mmpldc.models.pseudo_labels.Selection.pseudo_instances`; corrected by the
                refiner if there is one.
            progress: the position of the run.
        """


@TASK_UTILS.register_module()
class DynamicAligningWeights:
    """PAIS's dynamic aligning loss: better labels count more.

    The class weight is a * min(s, s0)^gamma, the mask weight b * i^gamma; s is the class quality
    and i the mask quality of the filter, in PAIS the predicted IoU
    (``PseudoLabelFilter(mask_quality='predicted_iou')``).

    Args:
        class_scale: a.
        mask_scale: b.
        saturation: s0.
        exponent: gamma.
        no_object_weight: weight of queries without a label, the square of the class threshold 0.35.

    Note:
        PAIS is released on K-Net, with a sigmoid and a focal loss for each class. Here its weights
        enter Mask2Former's cross-entropy: s is a softmax score, and a query without a label is
        trained towards "no object". As in PAIS, the class loss is divided by the number of labels,
        not by the sum of the weights as in Mask2Former.
    """

    def __init__(
        self,
        *,
        class_scale: float = 12.0,
        mask_scale: float = 2.5,
        saturation: float = 0.5,
        exponent: float = 4.0,
        no_object_weight: float = 0.35**2,
    ) -> None:
        self.of_class = dict(scale=class_scale, saturation=saturation, exponent=exponent)
        self.of_mask = dict(scale=mask_scale, exponent=exponent)
        self.no_object_weight = no_object_weight

    def __call__(self, labels: InstanceData, progress: Progress | None = None) -> LabelWeights:
        """Compute the weights, see :class:`WeighsLabels`."""
        return LabelWeights(
            aligned_weight(labels.class_quality, **self.of_class),
            aligned_weight(labels.mask_quality, **self.of_mask),
            self.no_object_weight,
        )


@TASK_UTILS.register_module()
class CertainLabelWeights:
    """Class loss by the quality s = c (2 m - 1), mask and dice loss by the certainty 2 m - 1.

    Note:
        Ours. What divides the losses stays as without weights, so that few good labels teach
        more than as many doubtful ones.
    """

    def __call__(self, labels: InstanceData, progress: Progress | None = None) -> LabelWeights:
        """Compute the weights, see :class:`WeighsLabels`."""
        ones = torch.ones_like(labels.class_quality)
        return LabelWeights(
            label=certain_quality(labels.class_quality, labels.mask_quality),
            mask=certain_quality(ones, labels.mask_quality),
        )


@TASK_UTILS.register_module()
class MaskQualityGate:
    """Polite Teacher's gate: the class of every label counts, the mask only of good ones.

    Args:
        mask_thr: the mask quality must exceed this threshold.

    Note:
        Polite Teacher gates the single mask loss of its model; here mask and dice loss are gated.
        Their divisor remains the number of all labels.
    """

    def __init__(self, *, mask_thr: float = 0.9) -> None:
        self.mask_thr = mask_thr

    def __call__(self, labels: InstanceData, progress: Progress | None = None) -> LabelWeights:
        """Compute the weights, see :class:`WeighsLabels`."""
        passes = (labels.mask_quality > self.mask_thr).float()
        return LabelWeights(torch.ones_like(labels.class_quality), passes)
