"""U2PL's contrastive loss: unreliable pixels teach what a class is not."""

from typing import NamedTuple

import torch
from mmengine.dist import all_reduce
from torch import Tensor, nn

from mmpldc.functional import (
    anchor_pixels,
    class_ranks,
    draw_with_replacement,
    draw_without_replacement,
    info_nce,
    labeled_negatives,
    mean_over_classes,
    prototype_sums,
    unlabeled_negatives,
)
from mmpldc.registry import MODELS

from .memory_bank import MemoryBank


class TeacherMaps(NamedTuple):
    """What the teacher makes of labelled and unlabelled images, none of them mixed.

    Attributes:
        features: ``(B, D, h, w)`` float, its representation, at the student's stride.
        logits: ``(B, C, h, w)`` float.
        truth: ``(B, h, w)`` int64 in [0, C) on labelled images; 255 on others and without label.
        pseudo_labels: ``(B, h, w)`` int64 in [0, C) at reliable pixels of unlabelled images, else
            255.
        unreliable: ``(B, h, w)`` bool, unreliable pixels of unlabelled images.
    """

    features: Tensor
    logits: Tensor
    truth: Tensor
    pseudo_labels: Tensor
    unreliable: Tensor


@MODELS.register_module()
class PixelContrast(nn.Module):
    """L_c of U2PL: anchors of a class against its prototype and keys of its memory bank.

    Anchors are the student's features; prototypes and keys are the teacher's. See
    :mod:`mmpldc.functional.contrast` for the rules, and :class:`.MemoryBank` for what is kept.

    Args:
        num_classes: C.
        channels: D of the features.
        low_rank: r_l; 1 for two classes, else the loss is 0 throughout (its authors' advice).
        high_rank: r_h.
        min_probability: delta_p.
        num_anchors: M of each class.
        num_negatives: of each anchor.
        temperature: tau.
        keys_per_class: most keys that a class gets from a rank in a step.
        capacity: keys of a class in the bank.
        background_capacity: of class 0; None: as the others.
        bank_dtype: of the bank, ``'float32'`` or ``'float16'``.
        loss_weight: lambda_c; 0.1 in the paper.

    Raises:
        ValueError: unless 1 <= r_l < r_h and r_l < C.

    Note:
        The paper prints 50 anchors and 256 negatives; its authors say that the released numbers,
        256 and 50, are those of the experiments. Unlabelled anchors are reliable pixels, as in the
        paper; the released code takes the share alpha_t with the lowest entropy. ``keys_per_class``
        is ours: without it a step adds more keys than the bank holds. The released code divides the
        loss by the number of ranks before DDP does; its weight in the gradient is the paper's here
        on any number of ranks.
    """

    def __init__(
        self,
        *,
        num_classes: int,
        channels: int = 256,
        low_rank: int = 3,
        high_rank: int = 20,
        min_probability: float = 0.3,
        num_anchors: int = 256,
        num_negatives: int = 50,
        temperature: float = 0.5,
        keys_per_class: int = 256,
        capacity: int = 30_000,
        background_capacity: int | None = None,
        bank_dtype: str = 'float32',
        loss_weight: float = 0.1,
    ) -> None:
        super().__init__()
        if not 1 <= low_rank < high_rank or low_rank >= num_classes:
            raise ValueError(
                f'low_rank={low_rank}, high_rank={high_rank} with {num_classes} classes: it must '
                'be 1 <= low_rank < high_rank, and low_rank below the number of classes'
            )
        self.num_classes = num_classes
        self.low_rank = low_rank
        self.high_rank = high_rank
        self.min_probability = min_probability
        self.num_anchors = num_anchors
        self.num_negatives = num_negatives
        self.temperature = temperature
        self.keys_per_class = keys_per_class
        self.loss_weight = loss_weight
        first = capacity if background_capacity is None else background_capacity
        capacities = [first, *[capacity] * (num_classes - 1)]
        self.bank = MemoryBank(capacities, channels, dtype=bank_dtype)

    def forward(
        self, features: Tensor, labels: Tensor, probability: Tensor, teacher: TeacherMaps
    ) -> Tensor:
        """Add this step's keys to the bank, and compare; every rank must call it.

        Args:
            features: ``(B, D, h, w)`` float, the student's, of labelled and perhaps mixed images.
            labels: ``(B, h, w)`` int64, of the same pixels: ground truth or reliable pseudo-labels
                in [0, C), else 255.
            probability: ``(B, h, w)`` float, the teacher's of these labels.
            teacher: of the images before they were mixed.

        Returns:
            Scalar, lambda_c L_c of this rank, whose mean over ranks is what DDP makes of it; 0,
            with a gradient of 0, without anchors or keys.
        """
        prototypes, has_prototype = self._teach(teacher)
        labels = labels.flatten()
        is_anchor = anchor_pixels(
            probability.flatten(), labels, min_probability=self.min_probability
        )
        pixels, has_anchors = draw_with_replacement(
            is_anchor, labels, self.num_anchors, self.num_classes
        )
        negatives, has_keys = self.bank.draw(self.num_anchors, self.num_negatives)
        losses = info_nce(
            _rows(features)[pixels], prototypes, negatives, temperature=self.temperature
        )
        classes = torch.arange(self.num_classes, device=labels.device)
        present = (labels[:, None] == classes).any(dim=0)
        counted = has_anchors & has_prototype & has_keys
        return self.loss_weight * mean_over_classes(losses, counted, present)

    @torch.no_grad()
    def _teach(self, teacher: TeacherMaps) -> tuple[Tensor, Tensor]:
        """Prototypes ``(C, D)`` of all ranks and whether each is there; fills the bank."""
        features = _rows(teacher.features)
        ranks = class_ranks(_rows(teacher.logits).float())
        truth = teacher.truth.flatten()
        negatives = labeled_negatives(ranks, truth, low_rank=self.low_rank)
        negatives |= unlabeled_negatives(
            ranks, teacher.unreliable.flatten(), low_rank=self.low_rank, high_rank=self.high_rank
        )
        pixels, drawn = draw_without_replacement(negatives, self.keys_per_class)
        self.bank.append(features[pixels], drawn)

        labels = truth.where(truth != 255, teacher.pseudo_labels.flatten())
        sums, counts = prototype_sums(features, labels, labels != 255, self.num_classes)
        totals = torch.cat([sums, counts[:, None]], dim=1)
        all_reduce(totals)
        return totals[:, :-1] / totals[:, -1:].clamp(min=1), totals[:, -1] > 0


def _rows(maps: Tensor) -> Tensor:
    """``(B, D, h, w)`` -> ``(B h w, D)``."""
    return maps.permute(0, 2, 3, 1).flatten(0, 2)
