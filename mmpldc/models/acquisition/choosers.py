"""From the scores of all images to those to label next."""

from typing import ClassVar, Protocol

import torch
import torch.nn.functional as F
from torch import Tensor

from mmpldc.functional import k_centre_greedy
from mmpldc.registry import TASK_UTILS


class ChoosesImages(Protocol):
    """Interface of the parts that choose.

    Attributes:
        needs_features: whether :meth:`choose` needs features.
    """

    needs_features: ClassVar[bool]

    def shortlist(self, scores: Tensor, count: int) -> Tensor:
        """Choose the images whose features are needed, or all that are chosen, best first.

        Args:
            scores: ``(I,)`` float, of all images.
            count: images that are wanted.

        Returns:
            ``(S,)`` int64 indices, S at least the smaller of ``count`` and I.
        """

    def choose(self, features: Tensor | None, centres: Tensor | None, count: int) -> Tensor:
        """Choose among the shortlist.

        Args:
            features: ``(S, C)`` float, of its images in their order.
            centres: ``(L, C)`` float, of the labelled images; None if there are none.
            count: images that are wanted, at most S.

        Returns:
            ``(count,)`` int64 places in the shortlist, in the order in which they are worth it.
        """


@TASK_UTILS.register_module()
class HighestFirst:
    """The images with the highest scores."""

    needs_features = False

    def shortlist(self, scores: Tensor, count: int) -> Tensor:
        """Find the best ``count``."""
        return scores.argsort(descending=True, stable=True)[:count]

    def choose(self, features: Tensor | None, centres: Tensor | None, count: int) -> Tensor:
        """Take the shortlist as it is."""
        return torch.arange(count)


@TASK_UTILS.register_module()
class DiverseAmongBest:
    """Of the best images those that differ most from the labelled ones and from each other.

    First by score, then by k-centre greedy on features of the backbone, so that near-equal images
    are not labelled twice. Two steps, as in two-step active learning for instance segmentation
    (arXiv 2309.16139); the second one is the core-set of Sener and Savarese (2018).

    Args:
        factor: of the wanted number, images to choose among; None: among all.
    """

    needs_features = True

    def __init__(self, *, factor: float | None = 4.0) -> None:
        if factor is not None and factor < 1:
            raise ValueError(f'DiverseAmongBest: factor must be at least 1, got {factor}')
        self.factor = factor

    def shortlist(self, scores: Tensor, count: int) -> Tensor:
        """Find the best ``factor * count``."""
        order = scores.argsort(descending=True, stable=True)
        return order if self.factor is None else order[: round(self.factor * count)]

    def choose(self, features: Tensor | None, centres: Tensor | None, count: int) -> Tensor:
        """Cover the features, which are compared by their direction."""
        if features is None:
            raise ValueError('DiverseAmongBest compares features: give those of the shortlist')
        known = None if centres is None else F.normalize(centres, dim=1)
        return k_centre_greedy(F.normalize(features, dim=1), count, known)
