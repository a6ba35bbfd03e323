"""Outputs of a head that predicts classes and masks for queries."""

from collections.abc import Sequence
from typing import NamedTuple

from torch import Tensor


class LayerOutputs(NamedTuple):
    """Outputs of one decoder layer for B images with Q queries each.

    Attributes:
        cls_logits: ``(B, Q, N + 1)`` float, the last column is "no object".
        mask_logits: ``(B, Q, h, w)`` float, padded batch frame at the stride of the mask features.
        iou_logits: ``(B, Q)`` float, of the predicted mask IoU; None without an IoU head.
    """

    cls_logits: Tensor
    mask_logits: Tensor
    iou_logits: Tensor | None = None

    def in_float32(self) -> 'LayerOutputs':
        """Return the same outputs as float32."""
        iou_logits = None if self.iou_logits is None else self.iou_logits.float()
        return LayerOutputs(self.cls_logits.float(), self.mask_logits.float(), iou_logits)


class HeadOutputs(NamedTuple):
    """Outputs of all L prediction layers, one list per attribute of :class:`LayerOutputs`.

    Attributes:
        cls_logits: L tensors ``(B, Q, N + 1)``.
        mask_logits: L tensors ``(B, Q, h, w)``.
        iou_logits: L tensors ``(B, Q)``; None without an IoU head.
    """

    cls_logits: list[Tensor]
    mask_logits: list[Tensor]
    iou_logits: list[Tensor] | None = None

    @classmethod
    def from_layers(cls, layers: Sequence[LayerOutputs]) -> 'HeadOutputs':
        """Collect the outputs of at least one layer, in order."""
        cls_logits, mask_logits, iou_logits = zip(*layers, strict=True)
        return cls(
            list(cls_logits),
            list(mask_logits),
            None if iou_logits[0] is None else list(iou_logits),
        )
