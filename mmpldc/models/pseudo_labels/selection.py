"""Types for the steps from a teacher's outputs to pseudo-labels."""

from typing import NamedTuple

from mmengine.structures import InstanceData
from torch import Tensor


class Candidates(NamedTuple):
    """Predictions that a filter selects from: C in each of B images.

    Attributes:
        class_quality: ``(B, C)`` float32 in [0, 1], c_k (Eq. 3).
        labels: ``(B, C)`` int64 in [0, N).
        query: ``(B, C)`` int64 in [0, Q), the query of each candidate.
        mask_quality: ``(B, C)`` float32 in [0, 1] if the network predicts it; None if it has to be
            measured, which is done only for candidates that pass by their class.
    """

    class_quality: Tensor
    labels: Tensor
    query: Tensor
    mask_quality: Tensor | None = None


class Thresholds(NamedTuple):
    """Lowest qualities that are kept: one number for all classes, or ``(N,)`` float.

    Attributes:
        class_thr: on the class quality.
        mask_thr: on the mask quality.
        score_thr: on their score, instead of both; ``class_thr`` is then a lower bound that
            avoids measuring masks.
        floor: report all labels with at least this score in :attr:`Selection.considered`; None
            reports none.
        max_per_image: keep no more labels of an image than this, the best; None: no limit.
    """

    class_thr: float | Tensor
    mask_thr: float | Tensor
    score_thr: float | Tensor | None = None
    floor: float | None = None
    max_per_image: Tensor | None = None

    def of_labels(self, labels: Tensor) -> 'Thresholds':
        """Return the thresholds for ``(M,)`` int64 labels; numbers stay numbers."""
        class_thr, mask_thr = (
            threshold[labels] if isinstance(threshold, Tensor) else threshold
            for threshold in (self.class_thr, self.mask_thr)
        )
        return self._replace(class_thr=class_thr, mask_thr=mask_thr)


class Considered(NamedTuple):
    """Labels with at least the lowest score of interest, kept or not, without duplicates.

    Attributes:
        scores: ``(M,)`` float32 in [0, 1], of the batch's measured candidates.
        counts: ``(M,)`` bool, which of them are considered.
        uncertain: ``(B, Q)`` bool, queries whose label is considered but not kept.
    """

    scores: Tensor
    counts: Tensor
    uncertain: Tensor


class Selection(NamedTuple):
    """Result of a filter for a batch.

    Attributes:
        pseudo_instances: per image an ``InstanceData`` of K kept labels, best score first:
            ``labels (K,)`` int64 in [0, N); ``class_quality``, ``mask_quality``, ``scores``
            ``(K,)`` float32 in [0, 1], the score being the product of the two; ``mask_logits``
            ``(K, h, w)`` float32 in the padded batch frame; ``cls_logits (K, N + 1)`` float32 of
            each label's query.
        candidates: the candidates that the labels were selected from.
        has_nan: per image, whether NaN in the teacher's output cost it all of its labels.
        considered: labels down to :attr:`Thresholds.floor`, if that is set.
    """

    pseudo_instances: list[InstanceData]
    candidates: Candidates
    has_nan: list[bool]
    considered: Considered | None = None


def note_uncertain(selection: Selection) -> None:
    """Note in each image's labels which queries are uncertain, ``uncertain_queries (Q,)`` bool.

    Raises:
        ValueError: if the thresholds have no floor.
    """
    if selection.considered is None:
        raise ValueError('the selection was not made by thresholds with a floor')
    for labels, uncertain in zip(
        selection.pseudo_instances, selection.considered.uncertain, strict=True
    ):
        labels.set_metainfo(dict(uncertain_queries=uncertain))
