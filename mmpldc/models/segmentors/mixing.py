"""Mixing of unlabelled images: which pixels come from which other image."""

from typing import Literal, NamedTuple, Protocol, get_args

import torch
from mmdet.utils import reduce_mean
from mmengine.dist import broadcast
from torch import Tensor

from mmpldc.functional import (
    box_masks,
    class_masks,
    half_area_boxes,
    partners_by_ease,
    random_area_boxes,
    shared_size_boxes,
)
from mmpldc.registry import TASK_UTILS

BOXES = dict(
    half_area=half_area_boxes, shared_size=shared_size_boxes, random_area=random_area_boxes
)
Partner = Literal['next', 'reversed', 'by_ease']


def given(ease: Tensor | None) -> Tensor:
    """The images' ease, for what cannot do without it."""
    if ease is None:
        raise ValueError('the ease of the images is not known: set model.ease')
    return ease


class MixPlan(NamedTuple):
    """How B images are mixed.

    Attributes:
        from_others: ``(B, H, W)`` bool, the pixels that are taken from the partner.
        partners: ``(B,)`` int64, the image that they are taken from; None: they are erased.
        is_active: scalar bool, whether the view teaches anything at this step.
    """

    from_others: Tensor
    partners: Tensor | None
    is_active: Tensor


class PlansMixing(Protocol):
    """Interface of a view's ``mix``."""

    def __call__(self, labels: Tensor, ease: Tensor | None) -> MixPlan:
        """Plan the mixing of a batch.

        Args:
            labels: ``(B, H, W)`` int64 pseudo-labels in [0, C), 255 where there is none.
            ease: ``(B,)`` float in [0, 1] of each image; None without ``model.ease``.
        """


@TASK_UTILS.register_module()
class CutMix:
    """Paste a box of another image.

    Args:
        boxes: ``'half_area'`` (U2PL), ``'shared_size'`` (iMAS) or ``'random_area'`` (UniMatch).
        partner: ``'next'``: the next image of the batch; ``'reversed'``: the batch in reverse
            order; ``'by_ease'``: easy images with hard ones (iMAS).
        prob: with which an image is mixed. None: the mean ease of all images decides whether the
            view is mixed at all, and it teaches nothing if not (iMAS).
        per_batch: whether all images are mixed or none (U2PL), or each is decided (UniMatch).

    Raises:
        ValueError: for an unknown choice.

    Note:
        iMAS's released code draws its trigger on each rank, by the rank's own mean. Here all ranks
        do the same. UniMatch V1 takes partners from a second unlabelled batch, labelled in eval
        mode; here, as in V2, they are the same batch in reverse order.
    """

    def __init__(
        self,
        *,
        boxes: str,
        partner: Partner = 'next',
        prob: float | None = 0.5,
        per_batch: bool = False,
    ) -> None:
        if boxes not in BOXES:
            raise ValueError(f'boxes must be one of {tuple(BOXES)}, got {boxes!r}')
        if partner not in get_args(Partner):
            raise ValueError(f'partner must be one of {get_args(Partner)}, got {partner!r}')
        self.boxes, self.partner = boxes, partner
        self.prob, self.per_batch = prob, per_batch
        self.needs_ease = partner == 'by_ease' or prob is None

    def __call__(self, labels: Tensor, ease: Tensor | None) -> MixPlan:
        """See :class:`PlansMixing`."""
        num, height, width = labels.shape
        boxes = BOXES[self.boxes](num, (height, width))
        # Host to device: made of numbers that the host drew, nothing is read back.
        mask = box_masks(boxes.to(labels.device, non_blocking=True), (height, width))
        is_active = torch.ones((), dtype=torch.bool, device=labels.device)
        if self.prob is None:
            is_active = _drawn_alike(given(ease))
        else:
            chosen = torch.rand(1 if self.per_batch else num) < self.prob
            mask = mask & chosen.to(labels.device, non_blocking=True)[:, None, None]
        index = torch.arange(num, device=labels.device)
        if self.partner == 'by_ease':
            partners = partners_by_ease(given(ease))
        else:
            partners = index.roll(-1) if self.partner == 'next' else index.flip(0)
        return MixPlan(mask, partners, is_active)


@TASK_UTILS.register_module()
class ClassMix:
    """Keep a random half of an image's classes, and take the rest from the next image.

    Args:
        num_classes: C.
        prob: with which all images of a batch are mixed; 0.5 in U2PL.
    """

    needs_ease = False

    def __init__(self, *, num_classes: int, prob: float = 0.5) -> None:
        self.num_classes, self.prob = num_classes, prob

    def __call__(self, labels: Tensor, ease: Tensor | None) -> MixPlan:
        """See :class:`PlansMixing`."""
        is_mixed = bool(torch.rand(1) < self.prob)  # of the host
        mask = ~class_masks(labels, self.num_classes) & is_mixed
        partners = torch.arange(len(labels), device=labels.device).roll(-1)
        return MixPlan(mask, partners, torch.ones((), dtype=torch.bool, device=labels.device))


@TASK_UTILS.register_module()
class CutOut:
    """Erase a box: the mean colour, without a label.

    Args:
        boxes: as of :class:`CutMix`.
        prob: with which all images of a batch are changed; 0.5 in U2PL.
    """

    needs_ease = False

    def __init__(self, *, boxes: str = 'half_area', prob: float = 0.5) -> None:
        self.plan = CutMix(boxes=boxes, prob=prob, per_batch=True)

    def __call__(self, labels: Tensor, ease: Tensor | None) -> MixPlan:
        """See :class:`PlansMixing`."""
        return self.plan(labels, ease)._replace(partners=None)


def _drawn_alike(ease: Tensor) -> Tensor:
    """Whether a number in [0, 1) is below the mean ease of all ranks; the same on all. Scalar."""
    draw = torch.rand((), device=ease.device)
    broadcast(draw)
    return draw < reduce_mean(ease.mean())
