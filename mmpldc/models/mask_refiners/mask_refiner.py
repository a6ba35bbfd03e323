"""What all refiners of masks have in common: a mask is proposed, then accepted or not."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import NamedTuple

import torch
from mmdet.structures import SampleList
from mmengine.structures import InstanceData
from torch import Tensor

from mmpldc.functional import (
    PixelNormalization,
    accept_masks,
    fuse_masks,
    image_of_each,
    mask_quality,
    unit_rgb,
)
from mmpldc.schedules import Progress, build_schedule, value_at


class MaskProposals(NamedTuple):
    """Masks for K labels.

    Attributes:
        probabilities: ``(K, h, w)`` float32 in [0, 1], in the frame and at the stride of the
            labels' own masks.
        quality: ``(K,)`` float32 in [0, 1], the refiner's own estimate.
        valid: ``(K,)`` bool, false where it has no mask to propose; such a row is meaningless.
    """

    probabilities: Tensor
    quality: Tensor
    valid: Tensor


class MaskRefiner(ABC):
    """Interface of ``model.mask_refiner``: replace masks of pseudo-labels where that is safe.

    A refiner proposes a mask for each kept label. It is accepted if it agrees with the teacher's,
    has about its size and does not take over another label
    (:func:`~mmpldc.functional.accept_masks`); otherwise the teacher's mask stays. An accepted mask
    is fused with the teacher's (:func:`~mmpldc.functional.fuse_masks`). The mask quality becomes
    that of the fused mask (Eq. 4), at the stride of its logits. Labels are not filtered again.

    Like the scorers of classes, a refiner is not a ``Module``: a large frozen network must not
    enter the detector's state dict, its optimiser or its data-parallel wrapper. Construction is
    cheap, and a checkpoint holds nothing of it.

    Args:
        weight: w, of the proposal against the teacher, a number in [0, 1] or the config of a
            schedule; 1 replaces the mask. At 0 the refiner is not asked.
        min_iou: lowest IoU with the teacher's mask.
        area_ratio: lowest and highest area as a share of the teacher's.
        max_taken: largest share of another label's mask that a mask may newly cover.
        min_quality: lowest quality by the refiner's own estimate.

    Raises:
        ValueError: if an option is out of range.

    Note:
        Ours. The mask quality is measured anew even if the filter's was a predicted IoU.
    """

    def __init__(
        self,
        *,
        weight: float | dict = 0.5,
        min_iou: float = 0.6,
        area_ratio: tuple[float, float] = (0.5, 2.0),
        max_taken: float = 0.25,
        min_quality: float = 0.0,
    ) -> None:
        if isinstance(weight, int | float) and not 0 <= weight <= 1:
            raise ValueError(f'weight must lie in [0, 1], got {weight}')
        if not 0 <= min_iou <= 1:
            raise ValueError(f'min_iou must lie in [0, 1], got {min_iou}')
        lowest, highest = area_ratio
        if not 0 <= lowest <= 1 <= highest:
            raise ValueError(f'area_ratio must be two numbers around 1, got {area_ratio}')
        self.weight = build_schedule(weight)
        self.min_iou, self.max_taken = min_iou, max_taken
        self.area_ratio = lowest, highest
        self.min_quality = min_quality

    def prepare(self, classes: Sequence[str], device: torch.device) -> None:  # noqa: B027
        """Load what the refiner needs; only training and analysis call it.

        Args:
            classes: the N class names of the detector, in order.
            device: of the model.

        Raises:
            RuntimeError: if weights are not available; the message says how to get them.
        """

    @abstractmethod
    def propose(
        self,
        images: Tensor,
        sizes: list[tuple[int, int]],
        mask_logits: Tensor,
        image_index: Tensor,
    ) -> MaskProposals:
        """Propose a mask for each label.

        Args:
            images: ``(B, 3, H, W)`` float32 RGB in [0, 1], padded.
            sizes: per image, (height, width) of its content, which starts at the top left.
            mask_logits: ``(K, h, w)`` float, padded batch frame at any stride; K > 0.
            image_index: ``(K,)`` int64 in [0, B), the image of each mask, sorted.
        """

    @torch.no_grad()
    def __call__(
        self,
        pseudo_instances: list[InstanceData],
        images: Tensor,
        data_samples: SampleList,
        progress: Progress | None,
        normalization: PixelNormalization,
    ) -> list[InstanceData]:
        """Refine pseudo-labels.

        Args:
            pseudo_instances: per image, K kept labels with ``class_quality (K,)`` and
                ``mask_logits (K, h, w)`` in the padded batch frame, among others; not modified.
            images: the weak views ``(B, 3, H, W)`` as the teacher saw them.
            data_samples: their data samples, with ``img_shape`` (height, width without padding).
            progress: the position of the run.
            normalization: of ``images``.

        Returns:
            Per image, the same labels with new ``mask_logits`` and ``mask_quality`` where a mask
            was accepted, and ``refined (K,)`` bool, whether it was.
        """
        weight = value_at(self.weight, progress)
        counts = [len(instances) for instances in pseudo_instances]
        kept = InstanceData.cat(pseudo_instances)
        accepted = torch.zeros_like(kept.labels, dtype=torch.bool)
        masks, quality = kept.mask_logits, kept.mask_quality
        if sum(counts) and weight:
            image_index = image_of_each(counts, images.device)
            sizes = [tuple(sample.img_shape[:2]) for sample in data_samples]
            rgb = unit_rgb(images, normalization)
            found = self.propose(rgb, sizes, masks, image_index)
            accepted = accept_masks(
                found.probabilities > 0.5,
                masks > 0,
                image_index,
                min_iou=self.min_iou,
                area_ratio=self.area_ratio,
                max_taken=self.max_taken,
            )
            accepted = accepted & found.valid & (found.quality >= self.min_quality)
            fused = fuse_masks(masks, found.probabilities, weight).to(masks.dtype)
            masks = torch.where(accepted[:, None, None], fused, masks)
            quality = torch.where(accepted, mask_quality(fused)[0].to(quality.dtype), quality)
        fields = (part.split(counts) for part in (masks, quality, accepted))
        return [_with_masks(*parts) for parts in zip(pseudo_instances, *fields, strict=True)]


def _with_masks(
    instances: InstanceData, masks: Tensor, quality: Tensor, accepted: Tensor
) -> InstanceData:
    """Copy labels with other masks."""
    refined = instances[:]
    refined.mask_logits, refined.mask_quality = masks, quality
    refined.refined = accepted
    return refined
