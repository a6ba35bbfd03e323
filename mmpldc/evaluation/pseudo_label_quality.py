"""Measure the quality of pseudo-labels against annotations that training does not use."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, fields, replace
from functools import partial

import numpy as np
import torch
from mmdet.structures import DetDataSample, SampleList
from mmengine.structures import InstanceData
from torch import Tensor

from mmpldc.functional import pairwise_mask_iou, to_image_frame
from mmpldc.models import SemiMask2Former

IOU_THR = 0.5  # a pseudo-mask is correct above this IoU, as in the paper's Fig. 5


@dataclass(frozen=True)
class PseudoLabelTable:
    """One row per pseudo-label (or candidate), best score first within an image.

    Attributes:
        image: ``(K,)`` int, running number of the image.
        class_quality, mask_quality: ``(K,)`` float in [0, 1].
        label: ``(K,)`` int in [0, N).
        teacher_label: ``(K,)`` int in [0, N), the teacher's most likely class; it differs from
            ``label`` where a refiner corrected the label.
        iou: ``(K,)`` float, mask IoU with the object it overlaps most; 0 if the image has none.
        target: ``(K,)`` int, that object, numbered over all images; -1 if the image has none.
        target_label: ``(K,)`` int, its class; -1 likewise.
        same_class_iou: ``(K,)`` float, the largest mask IoU with an object of the label's own
            class; 0 if the image has none.
        target_labels: ``(num_targets,)`` int, the classes of all objects, found or not; not a
            column, so :meth:`select` keeps it unchanged.
        num_images: number of images.

    Note:
        Regions annotated as crowds are not objects here, so a label on a crowd matches nothing.
    """

    image: np.ndarray
    class_quality: np.ndarray
    mask_quality: np.ndarray
    label: np.ndarray
    teacher_label: np.ndarray
    iou: np.ndarray
    target: np.ndarray
    target_label: np.ndarray
    same_class_iou: np.ndarray
    target_labels: np.ndarray
    num_images: int

    @property
    def num_targets(self) -> int:
        """Number of objects in all images."""
        return len(self.target_labels)

    @property
    def score(self) -> np.ndarray:
        """``(K,)`` float in [0, 1], the coupled score c_k * m_k."""
        return self.class_quality * self.mask_quality

    def select(self, keep: np.ndarray) -> 'PseudoLabelTable':
        """Return the rows selected by ``keep``, ``(K,)`` bool."""
        totals = 'target_labels', 'num_images'
        columns = (field.name for field in fields(self) if field.name not in totals)
        return replace(self, **{name: getattr(self, name)[keep] for name in columns})

    def summary(self) -> dict[str, float]:
        """Compute precision and recall; each object counts once, so duplicates lower the precision.

        Returns:
            ``kept_per_image``; ``mask_precision``, the share of labels with a correct mask;
            ``class_accuracy``, the share of those whose class is correct too, and
            ``teacher_class_accuracy``, the same for the teacher's class (before correction);
            ``precision`` and ``recall`` of labels with both correct; ``mask_iou``, the mean IoU of
            correct masks.
        """
        kept = len(self.image)
        right_mask = self.iou >= IOU_THR
        right = right_mask & (self.label == self.target_label)
        teacher_right = right_mask & (self.teacher_label == self.target_label)
        found = len(np.unique(self.target[right_mask]))
        found_right = len(np.unique(self.target[right]))
        return dict(
            kept_per_image=kept / max(self.num_images, 1),
            mask_precision=found / max(kept, 1),
            class_accuracy=right.sum() / max(right_mask.sum(), 1),
            teacher_class_accuracy=teacher_right.sum() / max(right_mask.sum(), 1),
            precision=found_right / max(kept, 1),
            recall=found_right / max(self.num_targets, 1),
            mask_iou=float(self.iou[right_mask].mean()) if right_mask.any() else 0.0,
        )


def compare_pseudo_labels(model: SemiMask2Former, dataloader: Iterable[dict]) -> PseudoLabelTable:
    """Label annotated images as if they were unlabelled and compare with the annotations.

    Args:
        model: a :class:`~mmpldc.models.SemiMask2Former`; its own filter and refiner are used.
        dataloader: single-view batches with ground truth (a test pipeline with
            ``LoadAnnotations``).

    Returns:
        One row per pseudo-label.
    """
    return _compare(model, dataloader, model.get_pseudo_instances)


def compare_candidates(
    model: SemiMask2Former, dataloader: Iterable[dict], *, min_class_quality: float = 0.0
) -> PseudoLabelTable:
    """Like :func:`compare_pseudo_labels`, for all candidates of the model's filter.

    Thresholds, refiner and duplicate suppression are off; ``min_area`` and ``max_candidates`` are
    those of the model's own filter.

    Args:
        model, dataloader: as in :func:`compare_pseudo_labels`.
        min_class_quality: leave out candidates below it, most of which are queries without an
            object.

    Returns:
        One row per candidate.
    """
    label = partial(model.get_candidates, min_class_quality=min_class_quality)
    return _compare(model, dataloader, label)


@torch.no_grad()
def _compare(
    model: SemiMask2Former,
    dataloader: Iterable[dict],
    label: Callable[[Tensor, SampleList], list[InstanceData]],
) -> PseudoLabelTable:
    """Compare the output of ``label`` for each batch of images with their ground truth."""
    model.eval()
    rows: list[dict[str, np.ndarray]] = []
    target_labels: list[np.ndarray] = []
    num_targets = 0
    for batch in dataloader:
        data = model.data_preprocessor(batch, False)
        samples = data['data_samples']
        for instances, sample in zip(label(data['inputs'], samples), samples, strict=True):
            rows.append(_compare_image(instances, sample, len(rows), num_targets))
            target_labels.append(sample.gt_instances.labels.cpu().numpy())
            num_targets += len(target_labels[-1])
    columns = {name: np.concatenate([row[name] for row in rows]) for name in rows[0]}
    return PseudoLabelTable(
        **columns, target_labels=np.concatenate(target_labels), num_images=len(rows)
    )


def _compare_image(
    instances: InstanceData, sample: DetDataSample, image: int, first_target: int
) -> dict[str, np.ndarray]:
    count = len(instances)
    iou, same_class_iou = np.zeros((2, count))
    target, target_label = np.full((2, count), -1)
    truth = sample.gt_instances
    if count and len(truth):
        predicted = logits_in_original_frame(instances.mask_logits, sample.metainfo) > 0
        overlap = pairwise_mask_iou(predicted, truth.masks.to_tensor(torch.bool, predicted.device))
        wanted_labels = truth.labels.to(overlap.device)
        best = overlap.max(dim=1)
        iou = best.values.cpu().numpy()
        target_label = wanted_labels[best.indices].cpu().numpy()
        target = best.indices.cpu().numpy() + first_target
        same_class = instances.labels[:, None] == wanted_labels
        same_class_iou = (overlap * same_class).amax(dim=1).cpu().numpy()
    return dict(
        image=np.full(count, image),
        class_quality=instances.class_quality.cpu().numpy(),
        mask_quality=instances.mask_quality.cpu().numpy(),
        label=instances.labels.cpu().numpy(),
        teacher_label=instances.cls_logits[:, :-1].argmax(dim=1).cpu().numpy(),
        iou=iou,
        target=target,
        target_label=target_label,
        same_class_iou=same_class_iou,
    )


def logits_in_original_frame(mask_logits: Tensor, metainfo: dict) -> Tensor:
    """Resize pseudo-masks to the frame of the annotations.

    Args:
        mask_logits: ``(K, h, w)`` float, padded batch frame.
        metainfo: of the data sample, with ``batch_input_shape``, ``img_shape`` and ``ori_shape``.

    Returns:
        ``(K, H, W)`` float, original frame.
    """
    return to_image_frame(
        mask_logits,
        tuple(metainfo['batch_input_shape']),
        tuple(metainfo['img_shape'][:2]),
        tuple(metainfo['ori_shape'][:2]),
    )
