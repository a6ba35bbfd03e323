"""Correct the classes of pseudo-labels by CLIP (DICC)."""

from collections.abc import Sequence

import torch
from mmdet.structures import SampleList
from mmdet.utils import ConfigType
from mmengine.structures import InstanceData
from torch import Tensor

from mmpldc.functional import (
    PixelNormalization,
    cosine_weight,
    image_of_each,
    linear_fusion,
    product_fusion,
    teacher_probabilities,
    unit_rgb,
)
from mmpldc.registry import MODELS
from mmpldc.schedules import Progress

from .region_scorer import RegionScorer

FUSIONS = dict(linear=linear_fusion, product=product_fusion)


@MODELS.register_module()
class CLIPRefiner:
    """Correct the classes of pseudo-labels with a vision-language model (DICC, Eqs. 6 to 9).

    The model's class distribution is fused with the teacher's, with a weight that decays as the
    teacher learns; the best fused class becomes the label, its probability the class quality.
    Labels are not filtered again. A checkpoint contains nothing of the refiner: the weight follows
    from the iteration.

    Args:
        scorer: config of a :class:`RegionScorer`, such as ``mmpldc.OpenCLIPScorer``.
        fusion: ``'linear'`` (Eq. 8) or ``'product'``, our reading of PLePI, for comparison.
        begin: a, last iteration with ``initial_weight``; None: the first iteration with
            pseudo-labels, which is the end of burn-in, or 0 if burn-in is guided.
        end: T, first iteration with ``final_weight``; None: the last iteration.
        initial_weight: 0.5 in the paper.
        final_weight: 0 in the paper.

    Note:
        A label's quality is the fused probability over the N classes, as released; with a weight of
        0 nothing changes, and it stays c_k, whose softmax includes "no object". If the filter
        lets a query pass with two classes (``max_candidates``), both may get the same one.

        The paper's weight decays from iteration 0. As released, the decay starts at the end of
        burn-in; ``begin=0`` gives the paper's schedule.
    """

    def __init__(
        self,
        *,
        scorer: ConfigType,
        fusion: str = 'linear',
        begin: int | None = None,
        end: int | None = None,
        initial_weight: float = 0.5,
        final_weight: float = 0.0,
    ) -> None:
        if fusion not in FUSIONS:
            raise ValueError(f"fusion must be one of {sorted(FUSIONS)}, got '{fusion}'")
        self.scorer: RegionScorer = MODELS.build(scorer)
        self.fuse = FUSIONS[fusion]
        self.begin, self.end = begin, end
        self.initial_weight, self.final_weight = initial_weight, final_weight

    def prepare(self, classes: Sequence[str], device: torch.device) -> None:
        """Load the scorer's model, see :meth:`RegionScorer.prepare`."""
        self.scorer.prepare(classes, device)

    def weight(self, progress: Progress) -> float:
        """Return w at this point of the run (Eq. 7)."""
        return cosine_weight(
            progress.step,
            begin=progress.pseudo_label_start if self.begin is None else self.begin,
            end=progress.max_steps if self.end is None else self.end,
            initial=self.initial_weight,
            final=self.final_weight,
        )

    @torch.no_grad()
    def __call__(
        self,
        pseudo_instances: list[InstanceData],
        images: Tensor,
        data_samples: SampleList,
        progress: Progress | None,
        normalization: PixelNormalization,
    ) -> list[InstanceData]:
        """Correct pseudo-labels.

        Args:
            pseudo_instances: per image, K kept labels: ``cls_logits (K, N + 1)`` of the teacher,
                ``labels``, ``class_quality``, ``mask_quality (K,)`` and ``mask_logits (K, h, w)``
                in the padded batch frame; not modified.
            images: the weak views ``(B, 3, H, W)`` as the teacher saw them.
            data_samples: their data samples, with ``img_shape`` (height, width without padding).
            progress: the position of the run.
            normalization: of ``images``.

        Returns:
            Per image, the same labels with new ``labels (K,)`` int64, ``class_quality
            (K,)`` float32, and ``corrected (K,)`` bool, whether the class has changed.

        Raises:
            RuntimeError: if the model does not know its progress.
        """
        if progress is None:
            raise RuntimeError(
                "CLIP's weight depends on the iteration: outside of a run call "
                'model.set_progress(step, max_steps) first'
            )
        weight = self.weight(progress)
        counts = [len(instances) for instances in pseudo_instances]
        num_classes = pseudo_instances[0].cls_logits.shape[-1] - 1
        if sum(counts) == 0 or weight == 0 or num_classes == 1:  # one class is always right
            return [_relabel(instances, instances.labels) for instances in pseudo_instances]
        image_index = image_of_each(counts, images.device)
        kept = InstanceData.cat(pseudo_instances)
        sizes = [tuple(sample.img_shape[:2]) for sample in data_samples]
        vlm, valid = self.scorer.score(
            unit_rgb(images, normalization), sizes, kept.mask_logits, image_index
        )
        teacher = teacher_probabilities(kept.cls_logits)
        class_quality, labels = self.fuse(teacher, vlm, weight).max(dim=-1)  # Eqs. 8, 9
        if self.scorer.known is not None:
            valid = valid & self.scorer.known[kept.labels]
        class_quality = torch.where(valid, class_quality, kept.class_quality)
        labels = torch.where(valid, labels, kept.labels)
        return [
            _relabel(*parts)
            for parts in zip(
                pseudo_instances, labels.split(counts), class_quality.split(counts), strict=True
            )
        ]


def _relabel(
    instances: InstanceData, labels: Tensor, class_quality: Tensor | None = None
) -> InstanceData:
    """Copy labels with another class, and another quality unless None."""
    relabelled = instances[:]
    relabelled.corrected = labels != instances.labels
    relabelled.labels = labels
    if class_quality is not None:
        relabelled.class_quality = class_quality
    return relabelled
