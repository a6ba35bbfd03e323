"""The interface between label correction and the models that know classes."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor


class RegionScores(NamedTuple):
    """What a scorer says about K masks.

    Attributes:
        probabilities: ``(K, N)`` float32, rows sum to 1 where valid.
        valid: ``(K,)`` bool, false where the scorer cannot tell (say, the mask vanished at its
            resolution); such a row means nothing.
    """

    probabilities: Tensor
    valid: Tensor


class RegionScorer(ABC):
    """Scores masked regions of images against the classes of a data set.

    A scorer is not a ``Module`` and holds its network as a plain attribute: a frozen giant must not
    reach the detector's state dict, its optimiser or its data-parallel wrapper. Building one is
    cheap; the network is loaded by :meth:`prepare`, which only training and analysis call.
    """

    @abstractmethod
    def prepare(self, classes: Sequence[str], device: torch.device) -> None:
        """Load the network, frozen and in eval mode.

        Args:
            classes: the N names of the detector's classes, in their order.
            device: where to run.

        Raises:
            RuntimeError: if weights cannot be had, saying how to get them.
            ValueError: if a class cannot be scored, naming it.
        """

    @abstractmethod
    def score(
        self,
        images: Tensor,
        sizes: list[tuple[int, int]],
        mask_logits: Tensor,
        image_index: Tensor,
    ) -> RegionScores:
        """Class probabilities of each mask.

        Args:
            images: ``(B, 3, H, W)`` float32 RGB in [0, 1], padded.
            sizes: per image, (height, width) of its content, which starts at the top left.
            mask_logits: ``(K, h, w)`` float, padded batch frame at any stride; K > 0.
            image_index: ``(K,)`` int64 in [0, B), the image of each mask.

        Returns:
            N probabilities for each of the K masks, and whether they are valid.
        """
