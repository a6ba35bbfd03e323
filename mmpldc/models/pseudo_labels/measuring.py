"""Which predictions are candidates for pseudo-labels, and how good they are."""

from typing import Literal, get_args

from mmengine.structures import InstanceData
from torch import Tensor

from mmpldc.functional import (
    best_class_per_query,
    certain_quality,
    mask_quality,
    soft_area,
    topk_query_class_pairs,
)
from mmpldc.structures import LayerOutputs

from .full_size import measure_at_full_size
from .selection import Candidates

LARGEST_LOGIT = 60.0  # sigmoid is 1 in float32; interpolating infinities would give NaN

MaskQuality = Literal['mean_probability', 'predicted_iou']
Score = Literal['product', 'certain']


class MeasuresCandidates:
    """Proposes candidates by class, and measures classes and masks.

    Args:
        max_candidates, mask_quality, score, soft_area, full_resolution: see
            :class:`PseudoLabelFilter`.

    Raises:
        ValueError: if the options do not fit together.
    """

    def __init__(
        self,
        *,
        max_candidates: int | None,
        mask_quality: MaskQuality,
        score: Score,
        soft_area: bool,
        full_resolution: bool,
    ) -> None:
        if soft_area and full_resolution:
            raise ValueError(
                'soft_area measures masks at their own stride: turn full_resolution off'
            )
        if mask_quality not in get_args(MaskQuality):
            raise ValueError(
                f'mask_quality must be one of {get_args(MaskQuality)}, got {mask_quality!r}'
            )
        if score not in get_args(Score):
            raise ValueError(f'score must be one of {get_args(Score)}, got {score!r}')
        self.max_candidates = max_candidates
        self.mask_quality = mask_quality
        self.score = score
        self.soft_area = soft_area
        self.full_resolution = full_resolution

    def propose(self, outputs: LayerOutputs) -> Candidates:
        """Select each image's candidates by class.

        Raises:
            ValueError: if the mask quality is a predicted IoU and the network predicts none.
        """
        if self.max_candidates is None:
            class_quality, labels, query = best_class_per_query(outputs.cls_logits)
        else:
            class_quality, labels, query = topk_query_class_pairs(
                outputs.cls_logits, self.max_candidates
            )
        if self.mask_quality == 'mean_probability':
            return Candidates(class_quality, labels, query)
        return Candidates(class_quality, labels, query, _predicted_iou(outputs).gather(1, query))

    def measure(
        self,
        outputs: LayerOutputs,
        candidates: Candidates,
        image: Tensor,
        rank: Tensor,
        input_shape: tuple[int, int],
    ) -> InstanceData:
        """Measure the qualities and masks of M candidates.

        Args:
            outputs, candidates: of the batch.
            image: ``(M,)`` int64 in [0, B), the image of each candidate.
            rank: ``(M,)`` int64 in [0, C), its place in ``candidates``.
            input_shape: (H, W) of the padded batch.

        Returns:
            The fields of :attr:`Selection.pseudo_instances`, and ``area (M,)`` float32, in pixels
            of the padded batch (of the map with ``soft_area``).
        """
        query = candidates.query[image, rank]
        measured = InstanceData(
            labels=candidates.labels[image, rank],
            class_quality=candidates.class_quality[image, rank],
            cls_logits=outputs.cls_logits[image, query],
        )
        logits = outputs.mask_logits[image, query].clamp(-LARGEST_LOGIT, LARGEST_LOGIT)
        if self.soft_area:
            (measured.mask_quality, _), measured.area = mask_quality(logits), soft_area(logits)
            measured.mask_logits = logits
        else:
            measured.mask_quality, measured.area, full_size = measure_at_full_size(
                logits, input_shape, keep_masks=self.full_resolution
            )
            measured.mask_logits = logits if full_size is None else full_size
        if candidates.mask_quality is not None:
            measured.mask_quality = candidates.mask_quality[image, rank]
        measured.scores = self.score_of(measured.class_quality, measured.mask_quality)
        return measured

    def score_of(self, class_quality: Tensor, mask_quality: Tensor) -> Tensor:
        """Return the score of labels with these qualities, all ``(M,)``."""
        if self.score == 'certain':
            return certain_quality(class_quality, mask_quality)
        return class_quality * mask_quality


def _predicted_iou(outputs: LayerOutputs) -> Tensor:
    """Return each query's predicted IoU, ``(B, Q)`` float32 in [0, 1]."""
    if outputs.iou_logits is None:
        raise ValueError(
            "mask_quality='predicted_iou' needs a teacher that predicts it: set "
            "model.detector.panoptic_head.iou_head=dict(type='mmpldc.MaskIoUHead')"
        )
    return outputs.iou_logits.float().sigmoid()
