"""What U2PL's contrast compares at a step: maps of labelled and unlabelled images."""

from typing import NamedTuple

import torch
from torch import Tensor

from mmpldc.functional import label_probabilities

from .mixing import MixPlan
from .outputs import SegOutputs, TeacherPass, shrink
from .pixel_contrast import TeacherMaps
from .student_view import IGNORE, Targets, mix_maps


class ContrastMaps(NamedTuple):
    """The arguments of :class:`~mmpldc.models.segmentors.PixelContrast`, which describes them."""

    features: Tensor
    labels: Tensor
    probability: Tensor
    teacher: TeacherMaps


def contrast_maps(
    *,
    student: tuple[SegOutputs, SegOutputs],
    teacher: tuple[SegOutputs, TeacherPass],
    truth: Tensor,
    targets: Targets,
    reliable: Tensor,
    unreliable: Tensor,
    plan: MixPlan | None,
) -> ContrastMaps:
    """Join labelled images and a view of unlabelled ones.

    Args:
        student: its outputs for A labelled images and for the view of B unlabelled ones.
        teacher: its outputs for the labelled images, and what it made of the weak views.
        truth: ``(A, H, W)`` int64 in [0, C), 255 without label.
        targets: of the view, which may be mixed.
        reliable: ``(B, H, W)`` bool, pixels of the weak views that count.
        unreliable: likewise, pixels that do not count; padding is neither.
        plan: how the view was mixed; None: it was not.

    Returns:
        Maps of A + B images at the decode head's stride; labels are those of the nearest pixel.
    """
    of_labeled, of_view = student
    on_labeled, on_weak = teacher
    stride = of_labeled.logits.shape[2:]
    truth = shrink(truth, stride)
    reliable, unreliable = shrink(reliable, stride), shrink(unreliable, stride)
    view_labels = shrink(targets.labels.masked_fill(~targets.reliable, IGNORE), stride)
    weak_labels = shrink(on_weak.dense.labels, stride)
    of_weak_labels = label_probabilities(on_weak.outputs.logits, weak_labels)
    if plan is not None:
        plan = plan._replace(from_others=shrink(plan.from_others, stride))
    nothing = torch.full_like(weak_labels, IGNORE)
    return ContrastMaps(
        features=torch.cat([of_labeled.representations, of_view.representations]),
        labels=torch.cat([truth, view_labels]),
        probability=torch.cat(
            [label_probabilities(on_labeled.logits, truth), mix_maps(plan, of_weak_labels, 0.0)]
        ),
        teacher=TeacherMaps(
            features=torch.cat([on_labeled.representations, on_weak.outputs.representations]),
            logits=torch.cat([on_labeled.logits, on_weak.outputs.logits]),
            truth=torch.cat([truth, nothing]),
            pseudo_labels=torch.cat(
                [torch.full_like(truth, IGNORE), weak_labels.masked_fill(~reliable, IGNORE)]
            ),
            unreliable=torch.cat([torch.zeros_like(truth, dtype=torch.bool), unreliable]),
        ),
    )
