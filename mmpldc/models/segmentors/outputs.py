"""Outputs of a segmentor's networks, and how its config is completed."""

import copy
from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from mmdet.structures import SampleList
from mmdet.utils import ConfigType, OptConfigType
from mmengine.config import ConfigDict
from torch import Tensor, nn

from mmpldc.models.pseudo_labels.dense import DenseLabels


class SegOutputs(NamedTuple):
    """Outputs of a segmentor for B images.

    Attributes:
        logits: ``(B, C, h, w)`` float, at the decode head's stride.
        auxiliary: of the auxiliary heads, likewise.
        features: ``(B, D, h, w)`` float of a head with a representation branch, else None.
    """

    logits: Tensor
    auxiliary: tuple[Tensor, ...] = ()
    features: Tensor | None = None

    @property
    def representations(self) -> Tensor:
        """:attr:`features` of a head that has them."""
        if self.features is None:
            raise ValueError('the decode head has no representation branch')
        return self.features


class TeacherPass(NamedTuple):
    """What the teacher made of the weak views.

    Attributes:
        outputs: raw.
        dense: labels, at the size of the images.
        has_nan: ``(B,)`` bool, images whose logits hold a NaN.
        samples: data samples of the images.
    """

    outputs: SegOutputs
    dense: DenseLabels
    has_nan: Tensor
    samples: SampleList


def complete_segmentor(
    segmentor: ConfigType, backbone: OptConfigType, num_classes: int
) -> ConfigDict:
    """A segmentor's config with the backbone and the number of classes filled in; a copy."""
    segmentor = copy.deepcopy(ConfigDict(segmentor))
    if backbone is not None:
        segmentor.backbone = backbone
    auxiliary = segmentor.get('auxiliary_head') or []
    for head in (
        segmentor.decode_head,
        *(auxiliary if isinstance(auxiliary, list) else [auxiliary]),
    ):
        head.num_classes = num_classes
    return segmentor


def auxiliary_heads(network: Any) -> list[nn.Module]:
    """The auxiliary heads of an ``EncoderDecoder``, perhaps none."""
    if not network.with_auxiliary_head:
        return []
    heads = network.auxiliary_head
    return list(heads) if isinstance(heads, nn.ModuleList) else [heads]


def channel_factors(feature_map: Tensor, share: Tensor, mirrored: Tensor) -> Tensor:
    """Factors of dropout of whole channels, ``(N, D)``: 0 or 1 / (1 - share).

    Args:
        feature_map: ``(N, D, H, W)``.
        share: ``(N,)`` float on the CPU, of the channels that each image loses.
        mirrored: ``(N,)`` int64 on the CPU, the image whose draw each one has the opposite of;
            itself for a draw of its own.
    """
    keep = (1 - share).to(feature_map.device, feature_map.dtype, non_blocking=True)[:, None]
    draw = torch.rand(feature_map.shape[:2], device=feature_map.device)
    index = torch.arange(len(mirrored))
    if not torch.equal(mirrored, index):
        is_own = (mirrored == index).to(draw.device, non_blocking=True)[:, None]
        draw = draw.where(is_own, 1 - draw[mirrored.to(draw.device, non_blocking=True)])
    return (draw < keep) / keep


def shrink(maps: Tensor, size: Sequence[int]) -> Tensor:
    """``(B, H, W)`` -> ``(B, *size)`` by the nearest pixel, of the same dtype."""
    shrunk = F.interpolate(maps[:, None].float(), tuple(size), mode='nearest').squeeze(1)
    return shrunk.to(maps.dtype)
