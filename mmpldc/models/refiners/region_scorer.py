"""Interface between label correction and the models that classify regions."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor


class RegionScores(NamedTuple):
    """Scores of K masks.

    Attributes:
        probabilities: ``(K, N)`` float32, rows sum to 1 where valid.
        valid: ``(K,)`` bool, false where the scorer cannot decide (for example, the mask vanished
            at its resolution); such a row is meaningless.
    """

    probabilities: Tensor
    valid: Tensor


class RegionScorer(ABC):
    """Score masked regions of images against the classes of a data set.

    A scorer is not a ``Module`` and holds its network as a plain attribute, because a large frozen
    network must not enter the detector's state dict, its optimiser or its data-parallel wrapper.
    Construction is cheap; :meth:`prepare`, which only training and analysis call, loads the
    network.

    Attributes:
        known: ``(N,)`` bool, the classes that it can recognise; None: all. A label of another class
            keeps it.
    """

    known: Tensor | None = None

    @abstractmethod
    def prepare(self, classes: Sequence[str], device: torch.device) -> None:
        """Load the network, frozen and in eval mode.

        Args:
            classes: the N class names of the detector, in order.
            device: device of the network.

        Raises:
            RuntimeError: if the weights are not available; the message says how to get them.
            ValueError: if a class cannot be scored, with its name.
        """

    @abstractmethod
    def score(
        self,
        images: Tensor,
        sizes: list[tuple[int, int]],
        mask_logits: Tensor,
        image_index: Tensor,
    ) -> RegionScores:
        """Compute class probabilities of each mask.

        Args:
            images: ``(B, 3, H, W)`` float32 RGB in [0, 1], padded.
            sizes: per image, (height, width) of its content, which starts at the top left.
            mask_logits: ``(K, h, w)`` float, padded batch frame at any stride; K > 0.
            image_index: ``(K,)`` int64 in [0, B), the image of each mask.

        Returns:
            N probabilities for each of the K masks, and whether they are valid.
        """
