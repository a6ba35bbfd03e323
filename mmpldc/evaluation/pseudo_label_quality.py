"""How good pseudo-labels are, measured against annotations that training does not see."""

from collections.abc import Iterable
from dataclasses import dataclass, fields

import numpy as np
import torch
import torch.nn.functional as F
from mmengine.structures import InstanceData
from torch import Tensor, nn

IOU_THR = 0.5  # a pseudo-mask is right above this IoU, as in the paper's Fig. 5


@dataclass(frozen=True)
class PseudoLabelTable:
    """One row per pseudo-label (or candidate), best score first within an image.

    Attributes:
        image: ``(K,)`` int, running number of the image.
        class_quality, mask_quality: ``(K,)`` float in [0, 1].
        label: ``(K,)`` int in [0, N).
        iou: ``(K,)`` float, mask IoU with the object it overlaps most; 0 if the image has none.
        target: ``(K,)`` int, that object, numbered through all images; -1 if the image has none.
        target_label: ``(K,)`` int, its class; -1 likewise.
        num_images: images looked at.
        num_targets: objects in them.
    """

    image: np.ndarray
    class_quality: np.ndarray
    mask_quality: np.ndarray
    label: np.ndarray
    iou: np.ndarray
    target: np.ndarray
    target_label: np.ndarray
    num_images: int
    num_targets: int

    def select(self, keep: np.ndarray) -> 'PseudoLabelTable':
        """The rows where ``keep`` ``(K,)`` bool holds."""
        rows = {
            field.name: getattr(self, field.name)[keep]
            for field in fields(self)
            if isinstance(getattr(self, field.name), np.ndarray)
        }
        return PseudoLabelTable(**rows, num_images=self.num_images, num_targets=self.num_targets)

    def summary(self) -> dict[str, float]:
        """Precision and recall; each object counts once, so that duplicates cost precision.

        Returns:
            ``kept_per_image``; ``mask_precision``, the share of labels whose mask is right;
            ``class_accuracy``, the share of those whose class is right too; ``precision`` and
            ``recall`` of labels right in both; ``mask_iou``, the mean IoU of right masks.
        """
        kept = len(self.image)
        right_mask = self.iou >= IOU_THR
        right = right_mask & (self.label == self.target_label)
        found = len(np.unique(self.target[right_mask]))
        found_right = len(np.unique(self.target[right]))
        return dict(
            kept_per_image=kept / max(self.num_images, 1),
            mask_precision=found / max(kept, 1),
            class_accuracy=right.sum() / max(right_mask.sum(), 1),
            precision=found_right / max(kept, 1),
            recall=found_right / max(self.num_targets, 1),
            mask_iou=float(self.iou[right_mask].mean()) if right_mask.any() else 0.0,
        )


@torch.no_grad()
def compare_pseudo_labels(model: nn.Module, dataloader: Iterable[dict]) -> PseudoLabelTable:
    """Let the model label annotated images as it would label unlabelled ones.

    Args:
        model: a :class:`~mmpldc.models.SemiMask2Former`; its own filter and refiner are used.
        dataloader: single-view batches with ground truth (a test pipeline with
            ``LoadAnnotations``).

    Returns:
        A row for each pseudo-label.
    """
    model.eval()
    rows: list[dict[str, np.ndarray]] = []
    num_images = num_targets = 0
    for batch in dataloader:
        data = model.data_preprocessor(batch, False)
        samples = data['data_samples']
        for instances, sample in zip(
            model.make_pseudo_labels(data['inputs'], samples), samples, strict=True
        ):
            truth = sample.gt_instances
            rows.append(_compare_image(instances, sample, num_images, num_targets))
            num_images += 1
            num_targets += len(truth)
    columns = {name: np.concatenate([row[name] for row in rows]) for name in rows[0]}
    return PseudoLabelTable(**columns, num_images=num_images, num_targets=num_targets)


def _compare_image(
    instances: InstanceData, sample, image: int, first_target: int
) -> dict[str, np.ndarray]:
    count = len(instances)
    iou = np.zeros(count)
    target = np.full(count, -1)
    target_label = np.full(count, -1)
    truth = sample.gt_instances
    if count and len(truth):
        predicted = logits_in_original_frame(instances.mask_logits, sample.metainfo) > 0
        wanted = truth.masks.to_tensor(torch.bool, predicted.device)
        best = mask_iou(predicted, wanted).max(dim=1)
        iou = best.values.cpu().numpy()
        target_label = truth.labels.to(best.indices.device)[best.indices].cpu().numpy()
        target = best.indices.cpu().numpy() + first_target
    return dict(
        image=np.full(count, image),
        class_quality=instances.class_quality.cpu().numpy(),
        mask_quality=instances.mask_quality.cpu().numpy(),
        label=instances.labels.cpu().numpy(),
        iou=iou,
        target=target,
        target_label=target_label,
    )


def logits_in_original_frame(mask_logits: Tensor, metainfo: dict) -> Tensor:
    """Pseudo-masks as the annotations see the image.

    Args:
        mask_logits: ``(K, h, w)`` float, padded batch frame.
        metainfo: of the data sample, with ``batch_input_shape``, ``img_shape`` and ``ori_shape``.

    Returns:
        ``(K, H, W)`` float, original frame.
    """
    if not len(mask_logits):  # interpolate takes no empty batch
        return mask_logits.new_zeros(0, *metainfo['ori_shape'][:2])
    padded = F.interpolate(mask_logits[None], metainfo['batch_input_shape'], mode='bilinear')
    height, width = metainfo['img_shape'][:2]
    image = padded[..., :height, :width]
    return F.interpolate(image, metainfo['ori_shape'][:2], mode='bilinear')[0]


def mask_iou(first: Tensor, second: Tensor) -> Tensor:
    """IoU of each pair.

    Args:
        first: ``(K, H, W)`` bool.
        second: ``(G, H, W)`` bool.

    Returns:
        ``(K, G)`` float32 in [0, 1].
    """
    first, second = first.flatten(1).float(), second.flatten(1).float()
    intersection = first @ second.T
    union = first.sum(1)[:, None] + second.sum(1)[None] - intersection
    return intersection / union.clamp(min=1)
