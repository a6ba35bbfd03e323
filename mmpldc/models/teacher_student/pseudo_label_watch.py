"""Running counts of pseudo-labels, from which a teacher that collapses is told."""

from collections import deque
from collections.abc import Sequence
from itertools import chain
from typing import NamedTuple

import torch
from mmdet.structures import SampleList
from mmengine.dist import all_gather_object, all_reduce
from mmengine.structures import InstanceData
from torch import nn

MAX_NAMES = 20  # of images, that a message can list


class LabelCounts(NamedTuple):
    """What all ranks have counted.

    Attributes:
        kept: N, pseudo-labels of each class.
        num_images: unlabelled images that the teacher has seen.
        num_nan: those of them for which its output held a NaN.
        nan_images: files of some of these.
    """

    kept: list[int]
    num_images: int
    num_nan: int
    nan_images: list[str]


class PseudoLabelWatch(nn.Module):
    """Counts this rank's pseudo-labels without waiting for the device, until someone reads them.

    The counts are no part of a checkpoint: a resumed run begins to count anew.

    Args:
        num_classes: N.
    """

    def __init__(self, num_classes: int) -> None:
        super().__init__()
        self.register_buffer('kept', torch.zeros(num_classes, dtype=torch.int64), persistent=False)
        self.num_images = self.num_nan = 0
        self.nan_images: deque[str] = deque(maxlen=MAX_NAMES)

    def update(
        self,
        pseudo_instances: Sequence[InstanceData],
        has_nan: Sequence[bool],
        samples: SampleList,
    ) -> None:
        """Count a batch.

        Args:
            pseudo_instances: per image, ``labels (K,)`` int64 in [0, N).
            has_nan: per image, whether the teacher's output held a NaN.
            samples: the images' samples, with ``img_path``.
        """
        labels = torch.cat([instances.labels for instances in pseudo_instances])
        self.kept.index_add_(0, labels, torch.ones_like(labels))
        self.num_images += len(samples)
        self.num_nan += sum(has_nan)
        self.nan_images.extend(
            sample.img_path for sample, nan in zip(samples, has_nan, strict=True) if nan
        )

    def take(self) -> LabelCounts:
        """The counts of all ranks since the last call; every rank must call it."""
        own = torch.cat([self.kept, self.kept.new_tensor([self.num_images, self.num_nan])])
        all_reduce(own)
        # Host sync: the caller's, once in hundreds of steps.
        *kept, num_images, num_nan = own.tolist()
        nan_images = []
        if num_nan:  # the same on all ranks
            of_ranks = all_gather_object(list(self.nan_images))
            nan_images = list(dict.fromkeys(chain.from_iterable(of_ranks)))[:MAX_NAMES]
        self.kept.zero_()
        self.num_images = self.num_nan = 0
        self.nan_images.clear()
        return LabelCounts(kept, num_images, num_nan, nan_images)
