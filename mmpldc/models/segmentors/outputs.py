"""Outputs of a segmentor's networks, and how its config is completed."""

import copy
from collections.abc import Sequence
from typing import NamedTuple

import torch
import torch.nn.functional as F
from mmdet.structures import SampleList
from mmdet.utils import ConfigType, OptConfigType
from mmengine.config import ConfigDict
from torch import Tensor

from mmpldc.functional import dense_labels, valid_pixels
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

    @classmethod
    def of(cls, outputs: SegOutputs, logits: Tensor, samples: SampleList) -> 'TeacherPass':
        """Label the images by logits ``(B, C, H, W)`` float32 at their size."""
        labels, confidence = dense_labels(logits)
        size = logits.shape[2], logits.shape[3]
        valid = valid_pixels([sample.img_shape for sample in samples], size, logits.device)
        has_nan = logits.flatten(1).isnan().any(dim=1)
        valid = valid & ~has_nan[:, None, None]
        return cls(outputs, DenseLabels(logits, labels, confidence, valid), has_nan, samples)

    def counts(self, reliable: Tensor, num_classes: int) -> tuple[Tensor, list[bool], list[str]]:
        """Reliable pixels of each class ``(C,)`` int64, and of each image the NaNs and the path."""
        labels = self.dense.labels.where(reliable, num_classes).flatten()
        counts = labels.new_zeros(num_classes + 1)
        counts.index_add_(0, labels, torch.ones_like(labels))
        paths = [sample.metainfo.get('img_path', '') for sample in self.samples]
        # Host sync: which images have a NaN, for the warning that names them.
        return counts[:-1], self.has_nan.tolist(), paths

    def statistics(self, reliable: Tensor, ease: Tensor | None) -> dict[str, Tensor]:
        """For the log: share of valid pixels that count, their confidence, and the mean ease."""
        num = reliable.sum()
        statistics = dict(
            pseudo_coverage=num / self.dense.valid.sum().clamp(min=1),
            pseudo_confidence=self.dense.confidence.where(reliable, 0.0).sum() / num.clamp(min=1),
        )
        if ease is not None:
            statistics['pseudo_ease'] = ease.mean()
        return statistics


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


def shrink(maps: Tensor, size: Sequence[int]) -> Tensor:
    """``(B, H, W)`` -> ``(B, *size)`` by the nearest pixel, of the same dtype."""
    shrunk = F.interpolate(maps[:, None].float(), tuple(size), mode='nearest').squeeze(1)
    return shrunk.to(maps.dtype)
