"""Compute the features of a frozen backbone once for several networks."""

from collections import deque
from collections.abc import Sequence
from itertools import chain

import torch
from torch import Tensor, nn

Features = Sequence[Tensor]


class SharedFeatures:
    """The outputs of one frozen backbone, kept for inputs that come again.

    Networks that share it see the same tensors as with backbones of their own: the features are
    looked up by the values of the input, and their weights are equal.

    Args:
        size: inputs whose features are kept, those that were asked for last.
    """

    def __init__(self, size: int = 3) -> None:
        self.backbone: nn.Module | None = None
        self.kept: deque[tuple[Tensor, Features]] = deque(maxlen=size)
        self.computed = self.reused = 0

    def attach(self, backbone: nn.Module) -> None:
        """Let a network's backbone use these features, and one copy of the weights.

        Args:
            backbone: with loaded weights; frozen, as one whose weights or statistics change has no
                features to share.

        Raises:
            ValueError: if it trains, or its weights are not those of the first one.
        """
        if any(parameter.requires_grad for parameter in backbone.parameters()) or any(
            isinstance(module, nn.modules.batchnorm._BatchNorm) and module.training
            for module in backbone.modules()
        ):
            raise ValueError(
                'features are shared between runs, so the backbone must not train: set '
                'model.backbone.frozen_stages to all of its stages and norm_eval=True, or '
                'frozen=True for mmpldc.TimmBackbone'
            )
        if self.backbone is None:
            self.backbone = backbone
            self.compute = backbone.forward
        else:
            _share_weights(backbone, self.backbone)
        backbone.forward = self

    @torch.no_grad()
    def __call__(self, images: Tensor) -> Features:
        """Return the feature maps of images ``(B, 3, H, W)``."""
        for place, (known, features) in enumerate(self.kept):
            # Host sync: on a GPU the comparison waits, which is short beside a backbone.
            if known.shape == images.shape and torch.equal(known, images):
                self.reused += 1
                del self.kept[place]  # to the end: a run with other inputs pushes out the rest
                self.kept.append((known, features))
                return features
        self.computed += 1
        features = self.compute(images)
        self.kept.append((images, features))
        return features


def _share_weights(mine: nn.Module, others: nn.Module) -> None:
    """Store equal weights once.

    Raises:
        ValueError: if they are not equal.
    """
    pairs = zip(
        chain(mine.named_parameters(), mine.named_buffers()),
        chain(others.parameters(), others.buffers()),
        strict=True,
    )
    for (name, own), other in pairs:
        if not torch.equal(own, other):
            raise ValueError(
                f'features are shared between runs, but the backbones differ in {name}: give all '
                'configs the same model.backbone with the same pretrained weights'
            )
        own.data = other.data
