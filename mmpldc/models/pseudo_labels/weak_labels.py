"""Labels of the unlabelled images that come from elsewhere: from a foundation model, or a rule."""

from collections.abc import Sequence

import torch
from mmdet.structures import SampleList
from mmengine.structures import InstanceData

from mmpldc.functional import (
    class_logits_of,
    image_of_each,
    mask_logits_of,
    pairwise_mask_iou,
    suppress_duplicates,
)
from mmpldc.registry import TASK_UTILS
from mmpldc.schedules import Progress, build_schedule, value_at
from mmpldc.structures import unpack_masks

from .filter import PseudoLabelFilter
from .images import split_by_image
from .label_weights import LabelWeights
from .selection import Thresholds

FADE = dict(type='mmpldc.Ramp', start=1.0, end=0.0)


@TASK_UTILS.register_module()
class WeakLabels:
    """A third source of training: labels with scores that somebody else made.

    The unlabelled images carry them (``train_dataloader.dataset.weak_labels``), and here they join
    the teacher's. In a supervised burn-in, where there is no teacher, they are the only labels of
    these images. They pass the thresholds and the refiners like the teacher's. Where a label of the
    teacher shows the same object, the teacher's stays.

    Args:
        weight: a number of at least 0, or the config of a schedule. In a supervised burn-in it is a
            factor on the loss of unlabelled images, beside lambda; from there on a factor on the
            losses of each weak label. At 0 weak labels are left out. By default it falls linearly
            from 1 at the end of burn-in to 0 at the end of the run.
        class_thr: lowest score; None: the thresholds of the teacher's labels, which a threshold
            that sets itself does not have in burn-in. Scores of other models mean something else.
        mask_thr: lowest mask quality, beside ``class_thr``.
        mask_quality: of weak labels whose annotations have no ``mask_quality``, in (0.5, 1]. It is
            also the certainty of their pixels, by which PMUA weighs them.
        duplicate_iou: a weak label with a larger IoU with a label of the teacher, or with a better
            weak label, is left out.
        min_area: a mask must have more pixels than this in the padded batch frame.
        no_object: in a supervised burn-in, teach "no object" to the queries of an unlabelled image
            that no label is matched with. False where many objects have no weak label.

    Raises:
        ValueError: if an option is out of range.

    Note:
        Ours. DICC sees a weak label's score as its class probability; the rest is spread over the
        other classes.
    """

    def __init__(
        self,
        *,
        weight: float | dict = FADE,
        class_thr: float | None = None,
        mask_thr: float = 0.0,
        mask_quality: float = 0.95,
        duplicate_iou: float = 0.5,
        min_area: float = 5,
        no_object: bool = True,
    ) -> None:
        if isinstance(weight, int | float) and weight < 0:
            raise ValueError(f'weight must be at least 0, got {weight}')
        if not 0.5 < mask_quality <= 1:
            raise ValueError(f'mask_quality must lie in (0.5, 1], got {mask_quality}')
        self.weight = build_schedule(weight)
        self.own = None if class_thr is None else Thresholds(class_thr, mask_thr)
        self.mask_quality = mask_quality
        self.duplicate_iou = duplicate_iou
        self.min_area = min_area
        self.no_object = no_object

    def refuse_no_threshold(self) -> None:
        """Refuse to take thresholds from the teacher's labels, which have none in burn-in.

        Raises:
            ValueError: if the part has no threshold of its own.
        """
        if self.own is None:
            raise ValueError(
                'model.weak_labels needs a class_thr of its own beside a threshold that sets '
                'itself, which keeps nothing before the teacher labels'
            )

    def weight_at(self, progress: Progress | None) -> float:
        """Return the weight at this point of the run."""
        return value_at(self.weight, progress)

    def __call__(self, labels: InstanceData, progress: Progress | None = None) -> LabelWeights:
        """Weigh labels, as :class:`~mmpldc.models.pseudo_labels.WeighsLabels`.

        After burn-in weak labels have their weight and the teacher's 1; before, all have 1.
        """
        ones = torch.ones_like(labels.class_quality)
        if progress is None or progress.step < progress.pseudo_label_start or 'weak' not in labels:
            return LabelWeights(ones, ones)
        weights = torch.where(labels.weak, self.weight_at(progress), ones)
        return LabelWeights(weights, weights)

    def join(
        self,
        teacher: list[InstanceData],
        samples: SampleList,
        input_shape: tuple[int, int],
        selector: PseudoLabelFilter,
        thresholds: Thresholds,
        progress: Progress | None,
    ) -> list[InstanceData]:
        """Add the weak labels of a batch to the teacher's.

        Args:
            teacher: per image, the labels that the filter kept; of none in burn-in
                (:func:`without_labels`). Not modified.
            samples: the B data samples of the weak views, whose ``gt_instances`` are weak labels:
                ``labels (G,)`` int64, ``scores (G,)`` float, ``masks`` and, if the annotations have
                them, ``mask_quality (G,)``, NaN where one is missing.
            input_shape: (H, W) of the padded batch.
            selector: the filter of the teacher's labels.
            thresholds: of the teacher's labels; the part's own take precedence.
            progress: the position of the run.

        Returns:
            Per image, the teacher's labels, then the weak ones that were kept, with ``weak (K,)``
            bool.

        Raises:
            ValueError: if the images carry no weak labels.
        """
        given = [sample.gt_instances for sample in samples]
        if any('scores' not in instances for instances in given):
            raise ValueError(
                'model.weak_labels is set, but the unlabelled images carry none: set '
                "train_dataloader.dataset.weak_labels='FILE.json'"
            )
        like = InstanceData.cat(teacher)
        device = like.mask_logits.device
        image, of_teacher = (
            image_of_each(list(map(len, parts)), device) for parts in (given, teacher)
        )
        found = self._measure(given, like, input_shape, selector)
        area = found.pop('area')
        keep = selector.keep(found, (self.own or thresholds).of_labels(found.labels), progress)
        keep = keep & (area > self.min_area)
        masks = (found.mask_logits > 0) & keep[:, None, None]
        keep = keep & suppress_duplicates(
            masks, found.scores, iou_thr=self.duplicate_iou, image=image
        )
        same = pairwise_mask_iou(masks, like.mask_logits > 0) > self.duplicate_iou
        keep = keep & ~(same & (image[:, None] == of_teacher)).any(dim=1)
        broken = torch.zeros(len(given), dtype=torch.bool, device=device)
        weak, _ = split_by_image(found, image, keep, broken)
        return [
            _joined(_marked(mine, weak=False), _marked(theirs, weak=True))
            for mine, theirs in zip(teacher, weak, strict=True)
        ]

    def _measure(
        self,
        given: Sequence[InstanceData],
        like: InstanceData,
        input_shape: tuple[int, int],
        selector: PseudoLabelFilter,
    ) -> InstanceData:
        """Bring all weak labels of a batch into the form of the teacher's, with their ``area``."""
        device, size = like.mask_logits.device, tuple(like.mask_logits.shape[-2:])
        labels = torch.cat([instances.labels for instances in given]).to(device)
        class_quality = torch.cat([instances.scores for instances in given]).to(device).float()
        qualities = [
            instances.get('mask_quality', torch.full_like(instances.scores, torch.nan))
            for instances in given
        ]
        mask_quality = torch.cat(qualities).to(device).float().nan_to_num(self.mask_quality)
        counts = [len(instances) for instances in given]
        maps = [  # an image at a time, to limit memory
            mask_logits_of(unpack_masks(instances.masks, device), quality, size)
            for instances, quality in zip(given, mask_quality.split(counts), strict=True)
        ]
        logits = torch.cat(maps).to(like.mask_logits.dtype)
        cell = input_shape[0] * input_shape[1] / (size[0] * size[1])
        return InstanceData(
            labels=labels,
            class_quality=class_quality,
            cls_logits=class_logits_of(
                labels, class_quality, num_classes=like.cls_logits.shape[1] - 1
            ),
            mask_quality=mask_quality,
            mask_logits=logits,
            scores=selector.score_of(class_quality, mask_quality),
            area=cell * (logits > 0).sum(dim=(1, 2)).float(),
        )


def without_labels(
    num_images: int, num_classes: int, size: tuple[int, int], device: torch.device
) -> list[InstanceData]:
    """The teacher's labels of images that it has not seen: none.

    Args:
        num_images: B.
        num_classes: N.
        size: (h, w) of mask logits.
        device: of the model.
    """
    nothing = torch.zeros(0, device=device)
    return [
        InstanceData(
            labels=nothing.long(),
            class_quality=nothing,
            cls_logits=nothing.new_zeros(0, num_classes + 1),
            mask_quality=nothing,
            mask_logits=nothing.new_zeros(0, *size),
            scores=nothing,
        )
        for _ in range(num_images)
    ]


def _marked(instances: InstanceData, *, weak: bool) -> InstanceData:
    """Copy labels, and note whether they are weak."""
    marked = instances[:]
    marked.weak = torch.full_like(instances.labels, weak, dtype=torch.bool)
    return marked


def _joined(teacher: InstanceData, weak: InstanceData) -> InstanceData:
    """Labels of both; what is noted of an image is the teacher's."""
    weak.set_metainfo(teacher.metainfo)
    return InstanceData.cat([teacher, weak])
