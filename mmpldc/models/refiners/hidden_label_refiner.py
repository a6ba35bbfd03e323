"""Correct pseudo-labels by hidden annotations, to find out what their faults cost."""

from collections.abc import Sequence

import cv2
import numpy as np
import torch
from mmdet.structures import SampleList
from mmengine.structures import InstanceData
from pycocotools.coco import COCO
from torch import Tensor

from mmpldc.functional import PixelNormalization, pairwise_mask_iou
from mmpldc.registry import MODELS
from mmpldc.schedules import Progress

CERTAIN = 20.0  # a logit whose sigmoid is 1 within 2e-9
SHIFT = np.array([[1, 0, 0.5], [0, 1, 0.5], [0, 0, 1]])  # from a pixel's index to its centre


@MODELS.register_module()
class HiddenLabelRefiner:
    """Mend one kind of fault of the pseudo-labels by the true labels (an oracle).

    For experiments only, on images whose annotations the run pretends not to have: what a run
    gains by mending classes, masks, wrong labels or missing ones tells which of them holds it
    back. With all four the pseudo-labels are the true labels.

    A label belongs to the hidden object with the largest IoU, if that is at least ``iou_thr`` and
    no better label has it.

    Args:
        ann_file: COCO-format annotations of the unlabelled images, among others.
        classes: give each label the class of its object.
        masks: give each label the mask of its object.
        drop_wrong: drop labels without an object, and those of another class than their object's
            after ``classes`` had its turn.
        add_missing: share in [0, 1] of the objects without a label that get one, chosen by their
            id, so that it is the same ones in each step.
        iou_thr: lowest IoU at which a label belongs to an object.
    """

    def __init__(
        self,
        *,
        ann_file: str,
        classes: bool = False,
        masks: bool = False,
        drop_wrong: bool = False,
        add_missing: float = 0.0,
        iou_thr: float = 0.5,
    ) -> None:
        self.ann_file = ann_file
        self.classes, self.masks, self.drop_wrong = classes, masks, drop_wrong
        self.add_missing = add_missing
        self.iou_thr = iou_thr

    def prepare(self, classes: Sequence[str], device: torch.device) -> None:
        """Read the annotations."""
        self.coco = COCO(self.ann_file)
        names = {category['name']: category['id'] for category in self.coco.dataset['categories']}
        self.label_of = {names[name]: label for label, name in enumerate(classes)}

    @torch.no_grad()
    def __call__(
        self,
        pseudo_instances: list[InstanceData],
        images: Tensor,
        data_samples: SampleList,
        progress: Progress | None,
        normalization: PixelNormalization,
    ) -> list[InstanceData]:
        """Mend the labels of each image, see :class:`~mmpldc.models.CLIPRefiner`."""
        size = images.shape[-2], images.shape[-1]
        return [
            self._mend(instances, *self._truth(sample, size, instances))
            for instances, sample in zip(pseudo_instances, data_samples, strict=True)
        ]

    def _truth(
        self, sample: object, size: tuple[int, int], like: InstanceData
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Return an image's G objects: labels, mask logits at the labels' stride, and ids."""
        meta = sample.metainfo  # type: ignore[attr-defined]
        own = np.linalg.inv(SHIFT) @ meta.get('homography_matrix', np.eye(3)) @ SHIFT
        shape = like.mask_logits.shape[-2:]
        labels, masks, ids = [], [], []
        for annotation in self.coco.imgToAnns[meta['img_id']]:
            if annotation.get('iscrowd') or annotation['category_id'] not in self.label_of:
                continue
            mask = cv2.warpPerspective(self.coco.annToMask(annotation), own, size[::-1])
            mask[meta['img_shape'][0] :], mask[:, meta['img_shape'][1] :] = 0, 0
            small = cv2.resize(mask.astype(np.float32), shape[::-1], interpolation=cv2.INTER_AREA)
            if (small > 0.5).any():
                labels.append(self.label_of[annotation['category_id']])
                masks.append(small)
                ids.append(annotation['id'])
        device = like.mask_logits.device
        maps = torch.from_numpy(np.array(masks, np.float32).reshape(-1, *shape)).to(device)
        return (
            torch.tensor(labels, dtype=torch.int64, device=device),
            ((2 * maps - 1) * CERTAIN).to(like.mask_logits.dtype),
            torch.tensor(ids, dtype=torch.int64, device=device),
        )

    def _mend(
        self, instances: InstanceData, labels: Tensor, masks: Tensor, ids: Tensor
    ) -> InstanceData:
        mended = instances[:]
        mended.corrected = torch.zeros_like(instances.labels, dtype=torch.bool)
        matched = self._matched(instances, masks)
        has_object = matched >= 0
        if len(labels):
            theirs = labels[matched.clamp(min=0)]
            same_class = theirs == instances.labels
            if self.classes:
                mended.corrected = has_object & ~same_class
                mended.labels = torch.where(has_object, theirs, instances.labels)
            if self.masks:
                mended.mask_logits = torch.where(
                    has_object[:, None, None], masks[matched.clamp(min=0)], instances.mask_logits
                )
        else:
            same_class = torch.zeros_like(has_object)
        if self.drop_wrong:
            has_object = has_object & (same_class | self.classes)
            mended = mended[has_object]
        free = torch.ones(len(labels), dtype=torch.bool, device=labels.device)
        free[matched[has_object]] = False
        # a fixed share of the ids, spread evenly
        free &= (ids.double() * 0.6180339887498949) % 1 < self.add_missing
        if not free.any():
            return mended
        added = self._added(mended, labels[free], masks[free])
        return InstanceData.cat([mended, added])

    def _matched(self, instances: InstanceData, masks: Tensor) -> Tensor:
        """Return each label's object, ``(K,)`` int64, -1 without; labels are sorted by score."""
        iou = pairwise_mask_iou(instances.mask_logits > 0, masks > 0)
        matched = torch.full((len(instances),), -1, dtype=torch.int64, device=iou.device)
        if not iou.numel():
            return matched
        for row in range(len(iou)):  # a few labels of one image, in an experiment
            best = iou[row].argmax()
            if iou[row, best] >= self.iou_thr:
                matched[row] = best
                iou[:, best] = -1
        return matched

    def _added(self, like: InstanceData, labels: Tensor, masks: Tensor) -> InstanceData:
        """Return certain labels of hidden objects."""
        ones = torch.ones(len(labels), device=labels.device)
        cls_logits = like.cls_logits.new_full((len(labels), like.cls_logits.shape[1]), -CERTAIN)
        cls_logits.scatter_(1, labels[:, None], CERTAIN)
        added = InstanceData(
            metainfo=like.metainfo,
            labels=labels,
            class_quality=ones,
            mask_quality=ones,
            scores=ones,
            mask_logits=masks,
            cls_logits=cls_logits,
        )
        for flag in set(like.keys()) - set(added.keys()):  # what other parts noted of the labels
            added.set_field(torch.zeros_like(labels, dtype=torch.bool), flag)
        return added
