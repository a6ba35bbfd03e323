"""Batched loss targets from ground truth or pseudo-labels."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from mmengine.structures import InstanceData
from torch import Tensor

from mmpldc.functional import mask_iou, sample_points
from mmpldc.structures import unpack_masks


@dataclass(frozen=True)
class MaskTargets:
    """Targets of a batch, image after image.

    Attributes:
        labels: ``(T,)`` int64 in [0, N), T targets in the whole batch.
        maps: ``(T, H, W)`` in the padded batch frame: uint8 masks of 0 and 1 (ground truth) or
            float logits (pseudo-labels, usually at stride 4).
        sizes: targets of each image, summing to T.
    """

    labels: Tensor
    maps: Tensor
    sizes: list[int]

    @classmethod
    def from_instances(
        cls, instances: Sequence[InstanceData], device: torch.device
    ) -> 'MaskTargets':
        """Collect the targets of a batch.

        Args:
            instances: per image ``labels (G,)`` and either ``mask_logits (G, h, w)``, a finite
                float tensor (pseudo-labels), or ``masks`` padded to the batch (ground truth):
                :class:`~mmpldc.structures.PackedMasks` or mmdet's classes.
            device: where the loss is computed.

        Raises:
            ValueError: if pseudo-labels and ground truth are mixed in a batch.
        """
        pseudo = ['mask_logits' in instance for instance in instances]
        if any(pseudo) != all(pseudo):
            raise ValueError('a batch must hold either pseudo-labels or ground truth, not both')
        if pseudo[0]:
            maps = torch.cat([instance.mask_logits for instance in instances])
        else:
            maps = torch.cat([unpack_masks(instance.masks, device) for instance in instances])
        labels = torch.cat([instance.labels for instance in instances])
        return cls(
            labels=labels.to(device, non_blocking=True),
            maps=maps,
            sizes=[len(instance) for instance in instances],
        )

    def __len__(self) -> int:
        return len(self.labels)

    @property
    def are_pseudo_labels(self) -> bool:
        return self.maps.is_floating_point()

    @torch.no_grad()
    def iou_with(self, mask_logits: Tensor, index: Tensor) -> Tensor:
        """Compute the IoU of predicted masks with chosen targets, at the predictions' resolution.

        A predicted mask contains the pixels with a positive logit; a target is read at the centre
        of each pixel of the prediction.

        Args:
            mask_logits: ``(L, M, h, w)`` float.
            index: ``(L, M)`` int64, index of each one's target.

        Returns:
            ``(L, M)`` float32 in [0, 1], 0 where both are empty.
        """
        size, device = tuple(mask_logits.shape[-2:]), mask_logits.device
        rows, columns = ((torch.arange(n, device=device) + 0.5) / n for n in size)
        centres = torch.cartesian_prod(rows, columns).flip(-1)  # (h * w, 2), x first
        every = torch.arange(len(self), device=device)
        values = self.sample(every, centres.expand(len(self), -1, -1))
        masks = self.is_inside(values).unflatten(1, size)
        return torch.stack(  # one layer at a time, to limit memory
            [mask_iou(mine > 0, masks[of]) for mine, of in zip(mask_logits, index, strict=True)]
        )

    def sample(self, index: Tensor, points: Tensor) -> Tensor:
        """Read the masks of chosen targets at points, as values or logits.

        Args:
            index: ``(K,)`` int64, index of the target for each row of ``points``.
            points: ``(K, P, 2)`` float, (x, y) in [0, 1] of the padded batch frame.

        Returns:
            ``(K, P)`` float32, values in [0, 1] of ground truth or logits of pseudo-labels;
            :meth:`values` converts both to targets.

        Note:
            Pseudo-masks are read from logits and thresholded at the point. The released code
            upsamples all of them, thresholds and then reads them. The two differ only within a
            pixel of a mask's edge (tests/test_models/test_pseudo_labels/test_full_resolution.py).

            Beyond the frame's edge logits are 0. Within half a cell of it (2 px at stride 4) logits
            therefore fall to half, in a corner to a quarter. No label changes, but the uncertainty
            u (Eq. 10) grows, and PMUA counts the edge less. The released code reads at full size,
            where masks and uncertainty are 0 beyond the edge: the strip is half a pixel wide.
            ``PseudoLabelFilter(full_resolution=True)`` gives the same width here.
        """
        return sample_points(self.maps, index, points)

    def values(self, samples: Tensor) -> Tensor:
        """Convert the output of :meth:`sample` to mask values in [0, 1], float32."""
        return (samples > 0).float() if self.are_pseudo_labels else samples

    def is_inside(self, samples: Tensor) -> Tensor:
        """Whether a sampled point lies in the mask; bool."""
        return self.values(samples) > 0.5
