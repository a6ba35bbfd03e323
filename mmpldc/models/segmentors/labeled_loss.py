"""The loss of labelled images."""

from collections.abc import Sequence
from typing import Any

import torch.nn.functional as F
from mmdet.models.utils import rename_loss_dict
from torch import Tensor, nn

from .outputs import SegOutputs
from .student_view import IGNORE


def labeled_loss(
    network: Any, outputs: SegOutputs, truth: Tensor, weight: float
) -> dict[str, Tensor]:
    """L_sup of the decode head and the auxiliary heads, by name, ``sup_*``; scalars.

    Args:
        network: an ``EncoderDecoder``, whose heads have the losses.
        outputs: of it for labelled images.
        truth: ``(B, H, W)`` int64 in [0, C), 255 without label.
        weight: factor on all.
    """
    losses: dict[str, Tensor] = {}
    heads: list[tuple[str, Any, Tensor]] = [('', network.decode_head, outputs.logits)]
    for index, (auxiliary, logits) in enumerate(
        zip(auxiliary_heads(network), outputs.auxiliary, strict=True)
    ):
        heads.append((f'aux{index}_', auxiliary, logits))
    for prefix, head, logits in heads:
        logits = to_image_size(network, logits, truth.shape[1:])
        parts = head.loss_decode if isinstance(head.loss_decode, nn.ModuleList) else None
        for part in parts or [head.loss_decode]:
            name = f'{prefix}{part.loss_name}'
            value = weight * part(logits, truth, ignore_index=IGNORE)
            losses[name] = losses[name] + value if name in losses else value
    return rename_loss_dict('sup_', losses)


def auxiliary_heads(network: Any) -> list[nn.Module]:
    """The auxiliary heads of an ``EncoderDecoder``, perhaps none."""
    if not network.with_auxiliary_head:
        return []
    heads = network.auxiliary_head
    return list(heads) if isinstance(heads, nn.ModuleList) else [heads]


def to_image_size(network: Any, logits: Tensor, size: Sequence[int]) -> Tensor:
    """Logits ``(B, C, *size)`` float32, as mmsegmentation's heads resize them."""
    return F.interpolate(
        logits.float(),
        tuple(size),
        mode='bilinear',
        align_corners=network.decode_head.align_corners,
    )
