"""Criteria by which images are worth labelling; thin shells around :mod:`mmpldc.functional`."""

import hashlib
from abc import ABC, abstractmethod
from typing import ClassVar, TypeVar

from torch import Tensor

from mmpldc.functional import (
    class_sums,
    expected_errors,
    jensen_shannon,
    pairwise_mask_iou,
    pixel_uncertainty,
    pool_predictions,
    quality_disagreement,
    rarity_weights,
    score_uncertainty,
    teacher_probabilities,
    view_disagreement,
)
from mmpldc.functional.acquisition import Pooling
from mmpldc.registry import TASK_UTILS

from .observing import Observation

Part = TypeVar('Part')


def _given(part: Part | None) -> Part:
    """A part of an observation that a criterion needs."""
    if part is None:
        raise ValueError('observe() has to be asked for the mirrored view, or for the refiner')
    return part


class Criterion(ABC):
    """Scores an image by what the teacher sees in it.

    Args:
        weight: in the mean of several criteria's ranks; a negative one prefers low values.

    Attributes:
        needs_mirror: whether it needs the mirrored view, a second pass of the teacher.
        needs_refiner: whether it needs the config's refiner.
    """

    needs_mirror: ClassVar[bool] = False
    needs_refiner: ClassVar[bool] = False

    def __init__(self, *, weight: float = 1.0) -> None:
        self.weight = weight

    def prepare(self, class_counts: Tensor | None) -> None:
        """Take what depends on the labelled set; here nothing.

        Args:
            class_counts: ``(N,)``, labelled instances of each class; None if there is no such set.
        """
        return

    @abstractmethod
    def __call__(self, seen: Observation) -> Tensor:
        """Compute how much the image is worth, ``()`` float, more is better."""


class PooledCriterion(Criterion):
    """A criterion that measures each prediction.

    Args:
        pooling: how an image's number comes from its predictions', see
            :func:`mmpldc.functional.pool_predictions`; a mean is weighted by their scores.
        weight: see :class:`Criterion`.
    """

    def __init__(self, *, pooling: Pooling = 'sum', weight: float = 1.0) -> None:
        super().__init__(weight=weight)
        self.pooling = pooling

    @abstractmethod
    def measure(self, seen: Observation) -> Tensor:
        """Compute ``(K,)`` float of the image's predictions."""

    def __call__(self, seen: Observation) -> Tensor:
        """Pool the measures of all predictions."""
        return pool_predictions(self.measure(seen), seen.predictions.scores, self.pooling)


@TASK_UTILS.register_module()
class ScoreUncertainty(PooledCriterion):
    """Whether a prediction is an object is uncertain: its score is near a half.

    The score is that of the config's pseudo-label filter, class quality times mask quality or its
    certainty. Class and mask are put together as in Wang et al. (2020), here by the product that
    the filter uses.
    """

    def measure(self, seen: Observation) -> Tensor:
        """See :func:`mmpldc.functional.score_uncertainty`."""
        return score_uncertainty(seen.predictions.scores)


@TASK_UTILS.register_module()
class QualityDisagreement(PooledCriterion):
    """Class quality and mask quality disagree: a sure mask of an unsure class, or the reverse."""

    def measure(self, seen: Observation) -> Tensor:
        """See :func:`mmpldc.functional.quality_disagreement`."""
        return quality_disagreement(seen.predictions.class_quality, seen.predictions.mask_quality)


@TASK_UTILS.register_module()
class RefinerDisagreement(PooledCriterion):
    """Teacher and refiner (CLIP) give a mask other classes.

    A committee of two (Seung et al., 1992). The measure is the Jensen-Shannon divergence of their
    class distributions times the score, so that masks of no object do not count. Masks that the
    refiner cannot judge count as agreement.
    """

    needs_refiner = True

    def measure(self, seen: Observation) -> Tensor:
        """See :func:`mmpldc.functional.jensen_shannon`."""
        refined = _given(seen.refined)
        teacher = teacher_probabilities(seen.predictions.cls_logits)
        divergence = jensen_shannon(teacher, refined.probabilities)
        return divergence.where(refined.valid, 0.0) * seen.predictions.scores


@TASK_UTILS.register_module()
class ViewDisagreement(PooledCriterion):
    """The image and its mirror image are not seen alike (consistency; Elezi et al., 2022).

    Each prediction of one view looks for its counterpart in the other one, by masks and classes.
    The measure is times the score. Both directions count half.
    """

    needs_mirror = True

    def measure(self, seen: Observation) -> Tensor:
        """Compute ``(K,)`` of the predictions of the image itself."""
        return self._one_way(seen)

    def __call__(self, seen: Observation) -> Tensor:
        """Pool both directions."""
        back = Observation(_given(seen.mirrored), seen.predictions)
        ways = [
            pool_predictions(self._one_way(one), one.predictions.scores, self.pooling)
            for one in (seen, back)
        ]
        return (ways[0] + ways[1]) / 2

    @staticmethod
    def _one_way(seen: Observation) -> Tensor:
        own, other = seen.predictions, _given(seen.mirrored)
        iou = pairwise_mask_iou(own.mask_logits > 0, other.mask_logits > 0)
        classes, others = (teacher_probabilities(one.cls_logits) for one in (own, other))
        divergence = jensen_shannon(classes[:, None], others[None])
        return view_disagreement(iou, divergence) * own.scores


@TASK_UTILS.register_module()
class PixelUncertainty(PooledCriterion):
    """The masks have uncertain pixels (PMUA's u), times the score."""

    def measure(self, seen: Observation) -> Tensor:
        """See :func:`mmpldc.functional.pixel_uncertainty`."""
        return pixel_uncertainty(seen.predictions.mask_logits) * seen.predictions.scores


@TASK_UTILS.register_module()
class ExpectedErrors(PooledCriterion):
    """How many labels an annotator would have to delete or add, if scores were probabilities.

    Args:
        keep_from: score from which a label is shown to the annotator.
        pooling, weight: see :class:`PooledCriterion`.

    Note:
        Not the expected error reduction of Roy and McCallum (2001), which trains a model for each
        image and each possible label.
    """

    def __init__(
        self, *, keep_from: float = 0.5, pooling: Pooling = 'sum', weight: float = 1.0
    ) -> None:
        super().__init__(pooling=pooling, weight=weight)
        self.keep_from = keep_from

    def measure(self, seen: Observation) -> Tensor:
        """See :func:`mmpldc.functional.expected_errors`."""
        return expected_errors(seen.predictions.scores, keep_from=self.keep_from)


@TASK_UTILS.register_module()
class RareClasses(Criterion):
    """The image is expected to show classes with few labels, for class balance.

    The expected number of objects of each class is the sum of its predictions' scores; a class
    weighs 1 / (1 + n) with n labelled instances.
    """

    def prepare(self, class_counts: Tensor | None) -> None:
        """Weigh the classes.

        Raises:
            ValueError: without a labelled set.
        """
        if class_counts is None:
            raise ValueError(
                'RareClasses counts labelled instances, but the config names no COCO-format file '
                'of labelled images: leave this criterion out'
            )
        self.weights = rarity_weights(class_counts)

    def __call__(self, seen: Observation) -> Tensor:
        """Compute the weighted number of expected objects."""
        found = seen.predictions
        weights = self.weights.to(found.scores.device)
        return (class_sums(found.scores, found.labels, len(weights)) * weights).sum()


@TASK_UTILS.register_module()
class RandomOrder(Criterion):
    """No preference, the baseline: a number drawn from the image's path and a seed.

    Args:
        seed: another one draws another order.
        weight: see :class:`Criterion`.
    """

    def __init__(self, *, seed: int = 0, weight: float = 1.0) -> None:
        super().__init__(weight=weight)
        self.seed = seed

    def __call__(self, seen: Observation) -> Tensor:
        """Draw a number in [0, 1), the same for an image whatever else is in the pool."""
        text = f'{self.seed}/{seen.name}'.encode(errors='surrogatepass')
        number = int.from_bytes(hashlib.blake2b(text, digest_size=8).digest(), 'big')
        return seen.predictions.scores.new_tensor(number / 2**64)
