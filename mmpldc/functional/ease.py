"""How easy an unlabelled image is for student and teacher (iMAS)."""

from typing import Literal

import torch
from torch import Tensor

Version = Literal['v1', 'v2']


def image_ease(
    student_labels: Tensor,
    teacher_labels: Tensor,
    student_confidence: Tensor,
    teacher_confidence: Tensor,
    valid: Tensor,
    *,
    num_classes: int,
    threshold: float,
    ignore_class: int | None = None,
    version: Version = 'v1',
) -> Tensor:
    """Ease h of each image: how far student and teacher agree, and how sure they are.

    With rho the share of pixels whose confidence reaches the threshold, and wIoU the IoU of the two
    label maps, averaged over classes by their share in one of the maps:
    v1 is (rho_t wIoU_t + rho_s wIoU_s) / 2, v2 is (rho_t wIoU_t + rho_s wIoU_s) / (rho_t + rho_s).
    All counts come from one pass over the batch, on its device, which nobody waits for.

    Args:
        student_labels: ``(B, H, W)`` int64 in [0, C), of the weak view.
        teacher_labels: likewise.
        student_confidence: ``(B, H, W)`` float in [0, 1].
        teacher_confidence: likewise.
        valid: ``(B, H, W)`` bool, False for padding.
        num_classes: C.
        threshold: tau.
        ignore_class: a class that the wIoU leaves out; 0, the background, on VOC.
        version: 'v1', which iMAS uses throughout, or 'v2'.

    Returns:
        ``(B,)`` float32 in [0, 1]; 0 for an image without valid pixels.

    Raises:
        ValueError: if there is no such version.

    Note:
        Where both maps show nothing but ``ignore_class`` the released code's ease is 0 (0/0), so
        that the image is never learnt from. Here a map without any other class counts all classes.
        The released code leaves out class 0 on Cityscapes, too, where it is road.

    Examples:
        >>> labels, sure = torch.zeros(1, 2, 2, dtype=torch.long), torch.ones(1, 2, 2)
        >>> image_ease(
        ...     labels, labels, sure, sure, sure > 0, num_classes=2, threshold=0.9, ignore_class=0
        ... ).tolist()
        [1.0]
    """
    if version not in ('v1', 'v2'):
        raise ValueError(f"version must be 'v1' or 'v2', got {version!r}")
    counts = joint_counts(teacher_labels, student_labels, valid, num_classes).float()
    of_teacher, of_student = counts.sum(dim=2), counts.sum(dim=1)
    common = counts.diagonal(dim1=1, dim2=2)
    iou = common / (of_teacher + of_student - common).clamp(min=1)
    num_valid = valid.sum(dim=(1, 2)).clamp(min=1)
    total = certain = torch.zeros_like(iou[:, 0])
    for areas, confidence in (
        (of_teacher, teacher_confidence),
        (of_student, student_confidence),
    ):
        sure = ((confidence >= threshold) & valid).sum(dim=(1, 2)) / num_valid
        total = total + sure * (_class_shares(areas, ignore_class) * iou).sum(dim=1)
        certain = certain + sure
    if version == 'v1':
        return total / 2
    return torch.where(certain > 0, total / certain, 0.0)


def joint_counts(first: Tensor, second: Tensor, valid: Tensor, num_classes: int) -> Tensor:
    """How often each pair of classes meets in each image.

    Args:
        first: ``(B, H, W)`` int64 in [0, C) where valid.
        second: likewise.
        valid: ``(B, H, W)`` bool, the pixels to count.
        num_classes: C.

    Returns:
        ``(B, C, C)`` int64, by image, class in ``first``, class in ``second``.

    Examples:
        >>> first, second = torch.tensor([[[0, 1, 1]]]), torch.tensor([[[0, 0, 1]]])
        >>> joint_counts(first, second, first >= 0, 2).tolist()
        [[[1, 0], [1, 1]]]
    """
    cells = num_classes**2
    image = torch.arange(len(first), device=first.device).view(-1, 1, 1)
    cell = image * cells + first * num_classes + second
    # What is not valid goes to a cell behind the last. index_add_, for bincount waits on a GPU.
    cell = cell.where(valid, len(first) * cells).flatten()
    counts = torch.zeros(len(first) * cells + 1, dtype=torch.int64, device=first.device)
    counts.index_add_(0, cell, torch.ones_like(cell))
    return counts[:-1].view(len(first), num_classes, num_classes)


def _class_shares(areas: Tensor, ignore_class: int | None) -> Tensor:
    """``(B, C)`` share of each class of a map, without ``ignore_class`` where there are others."""
    if ignore_class is not None:
        others = areas.clone()
        others[:, ignore_class] = 0
        areas = torch.where(others.sum(dim=1, keepdim=True) > 0, others, areas)
    return areas / areas.sum(dim=1, keepdim=True).clamp(min=1)
