"""The views of unlabelled images that a student learns from."""

from collections.abc import Sequence
from typing import NamedTuple

import torch
from mmdet.utils import ConfigType
from torch import Tensor

from mmpldc.functional import blend, cut_out, mix
from mmpldc.registry import TASK_UTILS

from .mixing import MixPlan, PlansMixing, given

IGNORE = 255  # the label of a pixel without one


class Targets(NamedTuple):
    """What a view's pixels are compared with, ``(B, H, W)`` each.

    Attributes:
        labels: int64 in [0, C), 255 on padding and erased pixels.
        reliable: bool, pixels that count.
        valid: bool, False on padding.
    """

    labels: Tensor
    reliable: Tensor
    valid: Tensor


class StudentView:
    """A view of the unlabelled images that the student learns from.

    Args:
        view: name of the branch, ``'unsup_weak'``, ``'unsup_strong'`` or ``'unsup_strong_2'``.
        mix: config of what mixes its images, see :mod:`mmpldc.models.segmentors.mixing`; None.
        weight: of its loss; the weights of all views are divided by their sum.
        blend_by_ease: show ease * strong + (1 - ease) * weak (iMAS's adaptive intensity).
        feature_dropout: share of the channels of the backbone's first and last map that are
            dropped (UniMatch's feature perturbation).
        complements: an earlier view; this one loses the channels that it keeps (UniMatch V2), of
            all maps, and both for half of the images. Both need ``feature_dropout=0.5``.

    Raises:
        ValueError: if it complements a view, and another share than half is dropped.
    """

    def __init__(
        self,
        *,
        view: str,
        mix: ConfigType | None = None,
        weight: float = 1.0,
        blend_by_ease: bool = False,
        feature_dropout: float = 0.0,
        complements: str | None = None,
    ) -> None:
        if complements is not None and feature_dropout != 0.5:
            raise ValueError(
                f'a view that complements another one drops half of the channels, not '
                f'{feature_dropout}'
            )
        self.view = view
        self.mix: PlansMixing | None = None if mix is None else TASK_UTILS.build(mix)
        self.weight = weight
        self.blend_by_ease = blend_by_ease
        self.feature_dropout = feature_dropout
        self.complements = complements

    def plan(self, labels: Tensor, ease: Tensor | None) -> MixPlan | None:
        """How this step's images are mixed; see :class:`~.mixing.PlansMixing`."""
        return None if self.mix is None else self.mix(labels, ease)

    def show(
        self, batch_inputs: dict[str, Tensor], plan: MixPlan | None, ease: Tensor | None
    ) -> Tensor:
        """The images that the student sees, ``(B, 3, H, W)``."""
        images = batch_inputs[self.view]
        if self.blend_by_ease:
            images = blend(images, batch_inputs['unsup_weak'], given(ease))
        return mix_maps(plan, images, 0.0)

    @property
    def needs_ease(self) -> bool:
        """Whether it depends on the images' ease."""
        return self.blend_by_ease or getattr(self.mix, 'needs_ease', False)


def build_views(settings: Sequence[dict]) -> list[StudentView]:
    """The views of a student.

    Args:
        settings: of each :class:`StudentView`.

    Raises:
        ValueError: if one complements a view that is not before it.
    """
    views: list[StudentView] = []
    for one in settings:
        view = StudentView(**one)
        if view.complements not in (None, *(earlier.view for earlier in views)):
            raise ValueError(
                f"'{view.view}' complements '{view.complements}', which is no view before it"
            )
        views.append(view)
    return views


def mean_over_views(
    views: Sequence[StudentView], losses: Sequence[Tensor], plans: Sequence[MixPlan | None]
) -> Tensor:
    """Mean of the views' losses by their weights, of those that teach at this step; scalar."""
    weights = [
        view.weight * (torch.ones_like(loss) if plan is None else plan.is_active.float())
        for view, loss, plan in zip(views, losses, plans, strict=True)
    ]
    weight = torch.stack(weights)
    return (torch.stack(list(losses)) * weight).sum() / weight.sum().clamp(min=1e-6)


def mix_maps(plan: MixPlan | None, maps: Tensor, erased: float) -> Tensor:
    """Maps ``(B, ...)`` mixed by a plan; ``erased`` is what takes the place of erased pixels."""
    if plan is None:
        return maps
    if plan.partners is None:
        return cut_out(maps, plan.from_others, erased)
    return mix(maps, maps[plan.partners], plan.from_others)


def mix_targets(plan: MixPlan | None, labels: Tensor, reliable: Tensor, valid: Tensor) -> Targets:
    """The targets of a mixed view, from those of the images as they are."""
    labels = labels.masked_fill(~valid, IGNORE)
    return Targets(
        mix_maps(plan, labels, IGNORE),
        mix_maps(plan, reliable, False),
        mix_maps(plan, valid, False),
    )
