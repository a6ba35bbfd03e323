"""Paste objects with their labels into the strong views of unlabelled images."""

from collections.abc import Sequence
from typing import Literal, NamedTuple, get_args

import torch
import torch.nn.functional as F
from mmdet.structures import SampleList
from mmengine.structures import InstanceData
from torch import Tensor

from mmpldc.functional import class_logits_of, mask_logits_of, resize_masks
from mmpldc.registry import TASK_UTILS
from mmpldc.structures import unpack_masks

OUTSIDE = -14.0  # logit of a pixel that a mask certainly does not have, as of a given mask's
Source = Literal['unlabeled', 'labeled']


class LabeledView(NamedTuple):
    """A view of B images with labels, annotated or the teacher's.

    Attributes:
        images: ``(B, 3, H, W)``, normalised and padded.
        labels: of each image.
        sizes: (h, w) of each image's content, which starts in the upper left corner.
    """

    images: Tensor
    labels: list[InstanceData]
    sizes: list[tuple[int, int]]

    @classmethod
    def of(
        cls, images: Tensor, samples: SampleList, labels: list[InstanceData] | None = None
    ) -> 'LabeledView':
        """View of a batch; its labels are the annotated ones if none are given."""
        if labels is None:
            labels = [sample.gt_instances for sample in samples]
        return cls(images, labels, [tuple(sample.img_shape[:2]) for sample in samples])


@TASK_UTILS.register_module()
class InstanceCopyPaste:
    """Paste objects of one image into another one, as ``model.copy_paste``.

    Each unlabelled image gets some of the objects of another image, where they are in that: pixels
    of the strong view, with their labels. The labels of what they hide shrink, and go if little of
    them is left. The teacher sees the images as they were.

    Args:
        source: ``'unlabeled'``: the objects are the pseudo-labels of the next unlabelled image of
            the batch. ``'labeled'``: the annotated objects of a labelled image of the batch, in the
            last view of ``model.sup_views``.
        prob: with which an image gets any, in [0, 1].
        object_prob: with which each object is pasted then, in [0, 1].
        min_visible: a label goes if less than this share of its mask is left, in [0, 1].

    Raises:
        ValueError: for an option out of its range.

    Note:
        Simple Copy-Paste (CVPR-21), without its resizing: the views are resized already. S4M
        (ICCV-25) pastes pseudo-labels that SAM has refined; its numbers were not available to us.
    """

    def __init__(
        self,
        *,
        source: Source = 'unlabeled',
        prob: float = 0.5,
        object_prob: float = 0.5,
        min_visible: float = 0.3,
    ) -> None:
        if source not in get_args(Source):
            raise ValueError(f'source must be one of {get_args(Source)}, got {source!r}')
        shares = dict(prob=prob, object_prob=object_prob, min_visible=min_visible)
        for name, share in shares.items():
            if not 0 <= share <= 1:
                raise ValueError(f'{name} must lie in [0, 1], got {share}')
        self.source = source
        self.prob, self.object_prob = prob, object_prob
        self.min_visible = min_visible

    @torch.no_grad()
    def __call__(
        self, unlabeled: LabeledView, labeled: LabeledView
    ) -> tuple[Tensor, list[InstanceData]]:
        """Paste objects into a batch.

        Args:
            unlabeled: strong views with their pseudo-labels, which have the fields of
                :attr:`~mmpldc.models.pseudo_labels.Selection.pseudo_instances`. Not modified.
            labeled: labelled images with their annotations.

        Returns:
            Images and labels of the unlabelled images; an image's pasted labels are its last.
        """
        num = len(unlabeled.images)
        images, labels, left = [], [], []
        for receiver in range(num):
            image, own = unlabeled.images[receiver], unlabeled.labels[receiver]
            donor = (receiver + 1) % num
            source = unlabeled if self.source == 'unlabeled' else labeled
            if source is labeled:
                donor = receiver % len(labeled.images)
            chosen = self._choose(len(source.labels[donor]))
            if not len(chosen) or (source is unlabeled and donor == receiver):
                images.append(image)
                labels.append(own)
                left.append(own.labels.new_ones(len(own), dtype=torch.bool))
                continue
            frame = (image.shape[-2], image.shape[-1])
            content = _overlap(source.sizes[donor], unlabeled.sizes[receiver], frame, image.device)
            objects = source.labels[donor][chosen]
            if source is unlabeled:
                masks = resize_masks(objects.mask_logits, frame)
            else:
                masks = _fit(unpack_masks(objects.masks, image.device), frame).bool()
                objects = _as_pseudo_labels(objects, masks, like=own)
            pasted = (masks & content).any(dim=0)
            images.append(torch.where(pasted, _fit(source.images[donor], frame), image))
            own, is_left = self._hide(own, pasted)
            objects, has_pixels = self._hide(objects, ~content)
            labels.append(_joined(own, objects))
            left.append(torch.cat([is_left, has_pixels]))
        # Host sync: the shapes of the images' targets.
        return torch.stack(images), _chosen(labels, torch.cat(left).tolist())

    def _choose(self, num_objects: int) -> Tensor:
        """Indices of the objects to paste; drawn on the host, so that nothing is waited for."""
        is_chosen = torch.rand(1 + num_objects) < torch.tensor(
            [self.prob, *[self.object_prob] * num_objects]
        )
        return (is_chosen[1:] & is_chosen[0]).nonzero().flatten()

    def _hide(self, labels: InstanceData, pixels: Tensor) -> tuple[InstanceData, Tensor]:
        """Labels without the pixels ``(H, W)`` bool, and which are left, ``(K,)`` bool."""
        hidden = labels[:]
        before = labels.mask_logits
        share = F.interpolate(pixels[None, None].float(), before.shape[-2:], mode='area')[0, 0]
        hidden.mask_logits = torch.where(share > 0.5, before.clamp(max=OUTSIDE), before)
        area = (before > 0).sum(dim=(1, 2))
        visible = (hidden.mask_logits > 0).sum(dim=(1, 2))
        return hidden, (visible > 0) & (visible >= self.min_visible * area)


def _as_pseudo_labels(
    annotated: InstanceData, masks: Tensor, *, like: InstanceData
) -> InstanceData:
    """Annotated objects with ``(K, H, W)`` masks in the form of pseudo-labels of quality 1."""
    labels, size = annotated.labels.to(masks.device), like.mask_logits.shape[-2:]
    sure = torch.ones(len(labels), device=masks.device)
    objects = InstanceData(
        labels=labels,
        class_quality=sure,
        cls_logits=class_logits_of(labels, sure, num_classes=like.cls_logits.shape[1] - 1),
        mask_quality=sure,
        mask_logits=mask_logits_of(masks, sure, (size[0], size[1])).to(like.mask_logits.dtype),
        scores=sure,
    )
    for flag in set(like.keys()) - set(objects.keys()):  # what other parts noted of the labels
        objects.set_field(torch.zeros_like(labels, dtype=torch.bool), flag)
    return objects


def _fit(maps: Tensor, frame: tuple[int, int]) -> Tensor:
    """Cut or pad ``(..., H, W)`` to a batch of another size, at the right and at the bottom."""
    height, width = maps.shape[-2:]
    return F.pad(maps, (0, frame[1] - width, 0, frame[0] - height))


def _overlap(
    first: tuple[int, int], second: tuple[int, int], frame: tuple[int, int], device: torch.device
) -> Tensor:
    """``(H, W)`` bool, the pixels that are no padding in both of two images."""
    height, width = (min(pair) for pair in zip(first, second, strict=True))
    rows = torch.arange(frame[0], device=device) < height
    return rows[:, None] & (torch.arange(frame[1], device=device) < width)


def _joined(own: InstanceData, objects: InstanceData) -> InstanceData:
    """Labels of both; what is noted of an image is the first's."""
    objects.set_metainfo(own.metainfo)
    return InstanceData.cat([own, objects])


def _chosen(labels: Sequence[InstanceData], is_left: Sequence[bool]) -> list[InstanceData]:
    """The labels of each image that are left, by the flags of all labels of the batch."""
    chosen, first = [], 0
    for own in labels:
        flags = is_left[first : first + len(own)]
        numbers = [number for number, flag in enumerate(flags) if flag]
        chosen.append(own if all(flags) else own[torch.tensor(numbers, dtype=torch.long)])
        first += len(own)
    return chosen
